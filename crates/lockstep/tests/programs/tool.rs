//! Programs that do something and end.

use std::os::unix::fs::MetadataExt as _;

use crate::player::Player;

crate::cases![gcc, git, python, node, a_pipeline];

const C: &str = "#include <stdio.h>\n#include <math.h>\n\
int main(int n, char **a) { printf(\"%s %.3f\\n\", a[1], sqrt(2)); return n - 2; }\n";

fn gcc(t: &Player) {
    t.need(&["/usr/bin/gcc"]);
    gcc_of(t, "host:");
}

/// An image's compiler makes programs in a volume, and the image runs them.
pub(crate) fn gcc_of(t: &Player, image: &str) {
    let dir = t.directory("source");
    t.file(&dir.join("main.c"), C);
    let volume = format!("{}:/source", dir.display());
    let build = "gcc -O2 -Wall -Werror -o /source/made /source/main.c -lm";
    t.run(&["-v", &volume, image, "sh", "-c", build]).text();
    let made = std::fs::metadata(dir.join("made")).expect("the program");
    assert_eq!((made.uid(), made.mode() & 0o111), (t.host_id(0), 0o111));
    let seen = t.run(&["-v", &volume, image, "/source/made", "root"]);
    assert_eq!(seen.text(), "root 1.414");
    let seen = t.run(&["-v", &volume, image, "/source/made", "two", "words"]);
    assert_eq!(seen.code, 1);
    // The same by pieces, through a debugger's and a linker's eyes.
    let tools = "cd /source && gcc -c main.c && ar rcs lib.a main.o && nm lib.a | grep -q main && \
                 gcc -static -o still lib.a -lm && ./still still";
    let seen = t.run(&["-v", &volume, image, "sh", "-c", tools]);
    assert_eq!(seen.text(), "still 1.414");
}

fn git(t: &Player) {
    t.need(&["/usr/bin/git"]);
    let dir = t.directory("repository");
    let volume = format!("{}:/repository", dir.display());
    let script = "set -e; cd /repository; export HOME=/tmp
        git config --global user.name n; git config --global user.email e
        git init -q -b main one; cd one; echo text > file; git add file; git commit -qm first
        git checkout -qb side; echo more >> file; git commit -qam second; git checkout -q main
        git merge -q side; cd ..; git clone -q --no-hardlinks one two
        git -C two log --format=%s; git -C two fsck --strict; git -C two gc -q";
    let image = ["-v", &volume, "host:", "sh", "-c"];
    let seen = t.run(&[&image[..], &[script]].concat());
    assert_eq!(seen.text(), "second\nfirst");
    for made in ["one/.git/HEAD", "two/file"] {
        let made = std::fs::metadata(dir.join(made)).expect("a file of the repository");
        assert_eq!(made.uid(), t.host_id(0));
    }
    // git refuses repositories of others: the owner has to be right inside as well.
    let seen = t.run(&[&image[..], &["git -C /repository/two status --short"]].concat());
    assert_eq!(seen.text(), "");
}

fn python(t: &Player) {
    t.need(&["/usr/bin/python3"]);
    let script = "
import concurrent.futures, multiprocessing, os, sqlite3, subprocess, tempfile, threading
with multiprocessing.Pool(2) as pool: assert pool.map(abs, [-1, -2]) == [1, 2]
with concurrent.futures.ThreadPoolExecutor(4) as threads: assert sum(threads.map(len, ['ab'] * 9)) == 18
base = sqlite3.connect(os.path.join(tempfile.mkdtemp(), 'base'))
base.execute('create table t (n)'); base.execute('insert into t values (7)'); base.commit()
assert base.execute('select n from t').fetchone() == (7,)
assert subprocess.check_output(['/bin/echo', 'child']) == b'child\\n'
a, b = os.openpty(); os.write(a, b'x\\n'); assert os.read(b, 2) == b'x\\n'
print(os.getpid(), os.getuid())
";
    assert_eq!(
        t.run(&["host:", "/usr/bin/python3", "-c", script]).text(),
        "1 0"
    );
}

fn node(t: &Player) {
    t.need(&["/usr/bin/node"]);
    let script = "
const { Worker } = require('worker_threads'), crypto = require('crypto'), cp = require('child_process');
const told = crypto.createHash('sha256').update('x').digest('hex').slice(0, 8);
const child = cp.execFileSync('/bin/echo', ['child']).toString().trim();
new Worker('require(\"worker_threads\").parentPort.postMessage(6 * 7)', { eval: true })
    .on('message', answer => console.log(told, child, answer));
";
    let seen = t.run(&["host:", "/usr/bin/node", "-e", script]);
    assert_eq!(seen.text(), "2d711642 child 42");
}

fn a_pipeline(t: &Player) {
    let script = "seq 100000 | sort -rn --parallel=2 | gzip | tee /tmp/x | gunzip | head -1; \
                  tar cf - -C /etc passwd group | tar tf - | wc -l; find /usr/bin -name sh | xargs -r ls -L >/dev/null; \
                  awk 'BEGIN { print 1 + 1 }'; sed -n 1p /etc/passwd | cut -d: -f1; setpriv --reuid=daemon --clear-groups id -un";
    let seen = t.run(&["host:", "bash", "-c", script]);
    let text = seen.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..4], ["100000", "2", "2", "root"], "{text}");
    assert_eq!(lines.last(), Some(&"daemon"), "{text}");
}
