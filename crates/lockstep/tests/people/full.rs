//! A full disk: what does not fit is an error that says so, nothing is half done, and with room again all goes on.

use std::process::Command;

use crate::image::layout;
use crate::stage::{Output, Stage, output};

crate::cases![
    commands_fail_whole_and_running_containers_go_on,
    an_image_is_loaded_whole_or_not,
    a_log_says_what_is_missing,
];

/// A script in a mount namespace of its own, where `$room` is a file system of so many bytes; `ls` is the program with
/// its store and state there, `fill` takes all that is left and `free` gives it back.
fn in_room(t: &Stage, size: &str, script: &str) -> Output {
    let room = t.dir.join("room");
    std::fs::create_dir_all(&room).expect("a directory");
    let (room, program) = (room.display(), t.command(&[]));
    let program = program.get_program().to_string_lossy().into_owned();
    let script = format!(
        "room={room}; mount -t tmpfs -o size={size} tmpfs $room || exit 99\n\
         ls() {{ {program} --root $room/data --runroot $room/state \"$@\" </dev/null; }}\n\
         fill() {{ dd if=/dev/zero of=$room/fill bs=4k 2>/dev/null; }}\n\
         free() {{ rm -f $room/fill; mount -o remount,size=64m $room; }}\n\
         fails() {{ \"$@\" >/dev/null 2>$room.said && echo \"no failure: $*\"; \
         grep -q ENOSPC $room.said || {{ echo \"$*:\"; cat $room.said; }}; }}\n\
         {script}\n\
         ls rm -fa >/dev/null"
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c", &script]);
    output(command, b"")
}

fn commands_fail_whole_and_running_containers_go_on(t: &Stage) {
    // From nearly nothing to some room, so that each command meets the end at several of its writes.
    for size in ["24k", "32k", "40k", "48k", "64k", "256k"] {
        let script = "ls run -d --name a host: sh -c 'while :; do sleep 1; done' >/dev/null 2>$room.said || \
                      { grep -q ENOSPC $room.said || cat $room.said; free; ls rm -f a >/dev/null 2>&1; ls run -d --name a host: sleep 1000 >/dev/null; mount -o remount,size=64k $room; }
            fill
            ls exec a echo lives
            fails ls run --rm host: true
            fails ls run -d --name b host: true
            fails ls create --name c -e A=1 host: true
            fails ls rename a b
            fails ls update --pids-limit 100 a
            ls ps -aq | wc -l
            free
            ls ps --format '{{.Names}}'
            ls rename a b && ls run --name c host: echo again
            ls rm -f b c >/dev/null
            find $room/data/containers $room/state/containers $room/state/runtime $room/data/names $room/data/blocks \
              -mindepth 1";
        let seen = in_room(t, size, script);
        assert_eq!(seen.stdout, "lives\n1\na\nagain\n", "{size}: {seen:?}");
    }
}

fn an_image_is_loaded_whole_or_not(t: &Stage) {
    let image = layout(t);
    let script = format!(
        "fails ls load {image}
         ls images -q
         find $room/data -name '*pending*' -mindepth 2 -o -type f -path '*blobs*'
         free
         ls load -q {image} >/dev/null && ls images -q | wc -l"
    );
    for size in ["64k", "512k", "1m", "2m"] {
        let seen = in_room(t, size, &script);
        assert_eq!(seen.stdout, "1\n", "{size}: {seen:?}");
    }
}

fn a_log_says_what_is_missing(t: &Stage) {
    let script = "ls run -d --name l host: sh -c 'echo before; while [ ! -e /tmp/go ]; do sleep 0.1; done; \
                  i=0; while [ $i -lt 3000 ]; do echo line-$i; i=$((i+1)); done; touch /tmp/written; \
                  while [ ! -e /tmp/more ]; do sleep 0.1; done; echo after' >/dev/null
        while ! ls logs l | grep -q before; do :; done
        fill
        ls exec l touch /tmp/go
        while ! ls exec l test -e /tmp/written; do :; done
        free
        ls exec l touch /tmp/more
        ls wait l
        ls logs l > $room.logs 2>&1
        head -1 $room.logs; tail -2 $room.logs
        grep -vc -e '^line-[0-9]*$' $room.logs";
    let seen = in_room(t, "256k", script);
    let lines: Vec<&str> = seen.stdout.lines().collect();
    assert_eq!(&lines[..2], ["0", "before"], "{seen:?}");
    assert!(
        lines[2].starts_with("lockstep: ") && lines[2].contains("bytes of output are missing"),
        "{seen:?}"
    );
    // The first, the last and the notice are all that is not a whole line of the others.
    assert_eq!(&lines[3..], ["after", "3"], "{seen:?}");
}
