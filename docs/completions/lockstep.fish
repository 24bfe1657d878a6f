# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_lockstep_global_optspecs
    string join \n root= runroot= v/version help
end

function __fish_lockstep_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_lockstep_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_lockstep_using_subcommand
    set -l cmd (__fish_lockstep_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c lockstep -n "__fish_lockstep_needs_command" -l root -d 'the store, in place of /var/lib/lockstep or the user\'s' -r
complete -c lockstep -n "__fish_lockstep_needs_command" -l runroot -d 'the state, in place of /run/lockstep or the user\'s' -r
complete -c lockstep -n "__fish_lockstep_needs_command" -s v -l version -d 'print the version'
complete -c lockstep -n "__fish_lockstep_needs_command" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "run" -d 'run a program in a new container'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "create" -d 'make a container without starting it'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "start" -d 'start containers that were created or have ended'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "exec" -d 'run another program in a running container'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "attach" -d 'connect to a running container\'s standard streams'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "cp" -d 'copy files between a container and here, or another container'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "ps" -d 'list containers'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "ls" -d 'list containers'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "list" -d 'list containers'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "logs" -d 'print what a container has written'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "inspect" -d 'print everything that is known of containers, images and volumes, as JSON'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "top" -d 'list the processes of a container'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "stats" -d 'print what containers use'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "port" -d 'list published ports: a container of this release has none'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "stop" -d 'ask containers to end, and after a time kill them'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "kill" -d 'send a signal to the first process'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "restart" -d 'stop containers and start them again'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "pause" -d 'stop every process where it is'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "unpause" -d 'let them go on'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "wait" -d 'wait until containers have ended and print their exit codes'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "rm" -d 'remove containers'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "rename" -d 'give a container another name'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "update" -d 'change the limits of containers'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "load" -d 'bring images from a directory or an archive into the store'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "images" -d 'list images'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "rmi" -d 'remove images, or one of their names'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "tag" -d 'give an image further names'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "save" -d 'write images to an archive'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "history" -d 'list the steps of an image\'s making'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "prune" -d 'remove images without a name, or with --all those that no container needs'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "plan" -d 'print the kernel operations that run would carry out, and do none'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "doctor" -d 'print what this kernel and this user can do, what is missing, and how to get it'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "info" -d 'print what this kernel and this user can do, what is missing, and how to get it'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "version" -d 'print the version'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "container" -d 'verbs about containers'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "image" -d 'verbs about images'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "healthcheck" -d 'verbs about healthchecks'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "volume" -d 'verbs about volumes'
complete -c lockstep -n "__fish_lockstep_needs_command" -f -a "secret" -d 'verbs about secrets'
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l detach-keys -d 'keys that leave an attached container (ctrl-p,ctrl-q)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l cidfile -d 'write the container\'s id to a new file' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l preserve-fds -d 'hand descriptors 3 to 2+N of the caller over to the program' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l preserve-fd -d 'hand these over; one in between that is not named is /dev/null' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l name -d 'a name; else one is made up' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -s l -l label -d 'a label' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l label-file -d 'labels, one a line' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l annotation -d 'an annotation of the OCI configuration' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l pull -d 'both: an image that is not in the store is an error' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l platform -d 'that of this host, no other' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l os -d 'linux' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l arch -d 'that of this host, no other' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l variant -d 'the one that every machine of this kind executes' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -s a -l attach -d 'stdin, stdout or stderr; all by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -s e -l env -d 'an environment variable; without a value the caller\'s' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l env-file -d 'environment variables, one a line' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l unsetenv -d 'take a variable of the image away' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -s w -l workdir -d 'working directory' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -s u -l user -d 'names or numbers inside the container' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l group-add -d 'a further group' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l umask -d 'file mode creation mask (0022)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l entrypoint -d 'in place of the image\'s' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l stop-signal -d 'asks the container to stop (SIGTERM)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l stop-timeout -d 'from that signal to SIGKILL (10)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l timeout -d 'stop the container after this time' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l cap-add -d 'a capability more, or all' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l cap-drop -d 'a capability less, or all' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l security-opt -d 'no-new-privileges[=false], seccomp=FILE|unconfined|builtin, apparmor=NAME, label=..., mask=PATHS, unmask=PATHS|ALL, systempaths=unconfined, proc-opts=OPTIONS' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l device -d 'a device, or one by its vendor\'s name (CDI) as vendor.com/class=name' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l gpus -d 'as --device nvidia.com/gpu=ID for each' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l device-cgroup-rule -d 'a rule of the device cgroup, as \'c 1:3 rwm\'' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l sysctl -d 'a sysctl of the container\'s own namespaces' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l network -d 'none by default: a loopback of its own' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l net -d 'as --network' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l userns -d 'user ids inside and on the host' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l uidmap -d 'user ids, in place of a block of its own' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l gidmap -d 'group ids' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l pid -d 'process ids' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l ipc -d 'System V IPC and message queues; none: without /dev/shm' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l uts -d 'host name' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l cgroupns -d 'view of the cgroups' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -s h -l hostname -d 'host name; the id by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l domainname -d 'NIS domain name' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l add-host -d 'a line of /etc/hosts' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -s v -l volume -d 'a directory or file of the host, or a volume by its name; a new volume without a source' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l volumes-from -d 'what another container was given' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l image-volume -d 'what the volumes are that the image asks for (anonymous)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l mount -d 'bind or tmpfs, with options' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l secret -d 'a secret as a file of /run/secrets (target=, uid=, gid=, mode=), or as a variable (type=env)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l tmpfs -d 'a file system in memory' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l shm-size -d 'size of /dev/shm (64m)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l tz -d '/etc/localtime: a zone of this host\'s, as Europe/Berlin, or its own' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l pids-limit -d 'processes and threads (2048); -1 for no limit' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -s m -l memory -d 'memory' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l memory-swap -d 'memory and swap together; -1 for any swap' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l memory-reservation -d 'memory that is taken away last' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l memory-swappiness -d 'how readily memory is swapped out' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l cpus -d 'processors, as 1.5' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -s c -l cpu-shares -d 'weight against others' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l cpu-quota -d 'of each period' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l cpu-period -d 'the period' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l cpuset-cpus -d 'processors, as 0-2,4' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l cpuset-mems -d 'memory nodes' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l blkio-weight -d 'weight of disk I/O' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l blkio-weight-device -d 'weight on one disk' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l device-read-bps -d 'bytes read from a disk per second' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l device-write-bps -d 'bytes written' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l device-read-iops -d 'reads from a disk per second' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l device-write-iops -d 'writes' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l ulimit -d 'a limit of each process' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l oom-score-adj -d 'who is killed first when memory is out' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l cgroup-parent -d 'the cgroup above the container\'s' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l cgroup-conf -d 'a setting of cgroup v2' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l restart -d 'no, on-failure[:N], always, unless-stopped' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l log-driver -d 'k8s-file (default; json-file and local are other names of it) or none' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l log-opt -d 'max-size=BYTES, max-file=N' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l pidfile -d 'write the first process\'s id to a file' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l conmon-pidfile -d 'write the supervisor\'s id to a file' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l sdnotify -d 'who tells the service manager (NOTIFY_SOCKET) that the container is ready: its program (default), lockstep when it has begun or when it is healthy, nobody' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l cgroups -d 'the first two are what is done: the supervisor stays in the caller\'s cgroup; disabled: no cgroup' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l health-cmd -d 'a shell line, or a JSON array of words, that succeeds in a healthy container; none for no check' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l health-interval -d 'between two checks (30s); disable leaves them to healthcheck run' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l health-timeout -d 'longest time of a check (30s)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l health-retries -d 'failures in a row until it is unhealthy (3)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l health-start-period -d 'time after the start in which failures do not count (0s)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l health-start-interval -d 'between two checks in that time, until one succeeds (5s)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l health-on-failure -d 'what is done with an unhealthy container' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -s d -l detach -d 'leave it running and print its id'
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l rm -d 'remove the container when it has ended'
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l sig-proxy -d 'pass signals on to the program (default)'
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l replace -d 'remove a container of the same name first'
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -s q -l quiet -d 'print nothing about an image\'s way here'
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -s i -l interactive -d 'keep standard input open'
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -s t -l tty -d 'make a terminal'
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l env-host -d 'the caller\'s whole environment'
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l http-proxy -d 'the caller\'s variables of proxies, as http_proxy'
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l unsetenv-all -d 'take all variables of the image away'
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l init -d 'our own first process starts the program, passes signals on and reaps orphans'
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l privileged -d 'give nearly everything back, and say what'
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l no-hosts -d 'leave the image\'s /etc/hosts'
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l no-hostname -d 'leave the image\'s /etc/hostname'
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l read-only -d 'a root file system that cannot be written; host: has one anyway'
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l read-only-tmpfs -d 'with --read-only, /tmp, /var/tmp and /run can be written (default)'
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l rootfs -d 'IMAGE is a directory, as rootfs:DIR'
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l oom-kill-disable -d 'wait instead of being killed when memory is out'
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l no-healthcheck -d 'without the image\'s check'
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l why -d 'print every setting, who asked for it, and what gives it back; start nothing'
complete -c lockstep -n "__fish_lockstep_using_subcommand run" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l cidfile -d 'write the container\'s id to a new file' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l name -d 'a name; else one is made up' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -s l -l label -d 'a label' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l label-file -d 'labels, one a line' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l annotation -d 'an annotation of the OCI configuration' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l pull -d 'both: an image that is not in the store is an error' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l platform -d 'that of this host, no other' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l os -d 'linux' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l arch -d 'that of this host, no other' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l variant -d 'the one that every machine of this kind executes' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -s a -l attach -d 'stdin, stdout or stderr; all by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -s e -l env -d 'an environment variable; without a value the caller\'s' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l env-file -d 'environment variables, one a line' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l unsetenv -d 'take a variable of the image away' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -s w -l workdir -d 'working directory' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -s u -l user -d 'names or numbers inside the container' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l group-add -d 'a further group' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l umask -d 'file mode creation mask (0022)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l entrypoint -d 'in place of the image\'s' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l stop-signal -d 'asks the container to stop (SIGTERM)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l stop-timeout -d 'from that signal to SIGKILL (10)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l timeout -d 'stop the container after this time' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l cap-add -d 'a capability more, or all' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l cap-drop -d 'a capability less, or all' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l security-opt -d 'no-new-privileges[=false], seccomp=FILE|unconfined|builtin, apparmor=NAME, label=..., mask=PATHS, unmask=PATHS|ALL, systempaths=unconfined, proc-opts=OPTIONS' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l device -d 'a device, or one by its vendor\'s name (CDI) as vendor.com/class=name' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l gpus -d 'as --device nvidia.com/gpu=ID for each' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l device-cgroup-rule -d 'a rule of the device cgroup, as \'c 1:3 rwm\'' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l sysctl -d 'a sysctl of the container\'s own namespaces' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l network -d 'none by default: a loopback of its own' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l net -d 'as --network' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l userns -d 'user ids inside and on the host' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l uidmap -d 'user ids, in place of a block of its own' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l gidmap -d 'group ids' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l pid -d 'process ids' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l ipc -d 'System V IPC and message queues; none: without /dev/shm' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l uts -d 'host name' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l cgroupns -d 'view of the cgroups' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -s h -l hostname -d 'host name; the id by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l domainname -d 'NIS domain name' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l add-host -d 'a line of /etc/hosts' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -s v -l volume -d 'a directory or file of the host, or a volume by its name; a new volume without a source' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l volumes-from -d 'what another container was given' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l image-volume -d 'what the volumes are that the image asks for (anonymous)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l mount -d 'bind or tmpfs, with options' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l secret -d 'a secret as a file of /run/secrets (target=, uid=, gid=, mode=), or as a variable (type=env)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l tmpfs -d 'a file system in memory' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l shm-size -d 'size of /dev/shm (64m)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l tz -d '/etc/localtime: a zone of this host\'s, as Europe/Berlin, or its own' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l pids-limit -d 'processes and threads (2048); -1 for no limit' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -s m -l memory -d 'memory' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l memory-swap -d 'memory and swap together; -1 for any swap' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l memory-reservation -d 'memory that is taken away last' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l memory-swappiness -d 'how readily memory is swapped out' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l cpus -d 'processors, as 1.5' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -s c -l cpu-shares -d 'weight against others' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l cpu-quota -d 'of each period' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l cpu-period -d 'the period' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l cpuset-cpus -d 'processors, as 0-2,4' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l cpuset-mems -d 'memory nodes' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l blkio-weight -d 'weight of disk I/O' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l blkio-weight-device -d 'weight on one disk' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l device-read-bps -d 'bytes read from a disk per second' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l device-write-bps -d 'bytes written' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l device-read-iops -d 'reads from a disk per second' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l device-write-iops -d 'writes' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l ulimit -d 'a limit of each process' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l oom-score-adj -d 'who is killed first when memory is out' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l cgroup-parent -d 'the cgroup above the container\'s' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l cgroup-conf -d 'a setting of cgroup v2' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l restart -d 'no, on-failure[:N], always, unless-stopped' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l log-driver -d 'k8s-file (default; json-file and local are other names of it) or none' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l log-opt -d 'max-size=BYTES, max-file=N' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l pidfile -d 'write the first process\'s id to a file' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l conmon-pidfile -d 'write the supervisor\'s id to a file' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l sdnotify -d 'who tells the service manager (NOTIFY_SOCKET) that the container is ready: its program (default), lockstep when it has begun or when it is healthy, nobody' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l cgroups -d 'the first two are what is done: the supervisor stays in the caller\'s cgroup; disabled: no cgroup' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l health-cmd -d 'a shell line, or a JSON array of words, that succeeds in a healthy container; none for no check' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l health-interval -d 'between two checks (30s); disable leaves them to healthcheck run' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l health-timeout -d 'longest time of a check (30s)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l health-retries -d 'failures in a row until it is unhealthy (3)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l health-start-period -d 'time after the start in which failures do not count (0s)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l health-start-interval -d 'between two checks in that time, until one succeeds (5s)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l health-on-failure -d 'what is done with an unhealthy container' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l rm -d 'remove the container when it has ended'
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l replace -d 'remove a container of the same name first'
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -s q -l quiet -d 'print nothing about an image\'s way here'
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -s i -l interactive -d 'keep standard input open'
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -s t -l tty -d 'make a terminal'
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l env-host -d 'the caller\'s whole environment'
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l http-proxy -d 'the caller\'s variables of proxies, as http_proxy'
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l unsetenv-all -d 'take all variables of the image away'
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l init -d 'our own first process starts the program, passes signals on and reaps orphans'
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l privileged -d 'give nearly everything back, and say what'
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l no-hosts -d 'leave the image\'s /etc/hosts'
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l no-hostname -d 'leave the image\'s /etc/hostname'
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l read-only -d 'a root file system that cannot be written; host: has one anyway'
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l read-only-tmpfs -d 'with --read-only, /tmp, /var/tmp and /run can be written (default)'
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l rootfs -d 'IMAGE is a directory, as rootfs:DIR'
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l oom-kill-disable -d 'wait instead of being killed when memory is out'
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l no-healthcheck -d 'without the image\'s check'
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l why -d 'print every setting, who asked for it, and what gives it back; start nothing'
complete -c lockstep -n "__fish_lockstep_using_subcommand create" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand start" -l detach-keys -d 'keys that leave it (ctrl-p,ctrl-q)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand start" -s a -l attach -d 'attach to its output'
complete -c lockstep -n "__fish_lockstep_using_subcommand start" -s i -l interactive -d 'attach to its input too'
complete -c lockstep -n "__fish_lockstep_using_subcommand start" -l sig-proxy -d 'pass signals on to the program (default)'
complete -c lockstep -n "__fish_lockstep_using_subcommand start" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand exec" -s e -l env -d 'an environment variable' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand exec" -l env-file -d 'environment variables, one a line' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand exec" -s w -l workdir -d 'working directory; the container\'s by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand exec" -s u -l user -d 'names or numbers inside the container' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand exec" -l detach-keys -d 'keys that leave a terminal (ctrl-p,ctrl-q)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand exec" -l preserve-fds -d 'hand descriptors 3 to 2+N of the caller over to the program' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand exec" -l preserve-fd -d 'hand these over; one in between that is not named is /dev/null' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand exec" -s d -l detach -d 'do not wait for it'
complete -c lockstep -n "__fish_lockstep_using_subcommand exec" -s i -l interactive -d 'keep standard input open'
complete -c lockstep -n "__fish_lockstep_using_subcommand exec" -s t -l tty -d 'make a terminal'
complete -c lockstep -n "__fish_lockstep_using_subcommand exec" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand attach" -l detach-keys -d 'keys that leave it (ctrl-p,ctrl-q)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand attach" -l no-stdin -d 'the output alone'
complete -c lockstep -n "__fish_lockstep_using_subcommand attach" -l sig-proxy -d 'pass signals on to the program (default)'
complete -c lockstep -n "__fish_lockstep_using_subcommand attach" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand cp" -s a -l archive -d 'keep owners, by number, and setuid programs; else files belong to the container\'s root, or to you'
complete -c lockstep -n "__fish_lockstep_using_subcommand cp" -s L -l follow-link -d 'copy what a link leads to, if SRC is one'
complete -c lockstep -n "__fish_lockstep_using_subcommand cp" -s q -l quiet -d 'say nothing on a terminal either'
complete -c lockstep -n "__fish_lockstep_using_subcommand cp" -l overwrite -d 'let a directory take the place of something else, and the other way round'
complete -c lockstep -n "__fish_lockstep_using_subcommand cp" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand ps" -s f -l filter -d 'id, name, status, label, label!, exited, ancestor, before, since, until, volume, network, command, health' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand ps" -l format -d 'json, table or a template as {{.ID}} {{.Names}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand ps" -s n -l last -d 'the N newest, whatever they do' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand ps" -s a -l all -d 'also those that do not run'
complete -c lockstep -n "__fish_lockstep_using_subcommand ps" -s q -l quiet -d 'ids alone'
complete -c lockstep -n "__fish_lockstep_using_subcommand ps" -l no-trunc -d 'whole ids and commands'
complete -c lockstep -n "__fish_lockstep_using_subcommand ps" -l json -d 'as --format json'
complete -c lockstep -n "__fish_lockstep_using_subcommand ps" -s l -l latest -d 'the newest, whatever it does'
complete -c lockstep -n "__fish_lockstep_using_subcommand ps" -l noheading -d 'no headings'
complete -c lockstep -n "__fish_lockstep_using_subcommand ps" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand ls" -s f -l filter -d 'id, name, status, label, label!, exited, ancestor, before, since, until, volume, network, command, health' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand ls" -l format -d 'json, table or a template as {{.ID}} {{.Names}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand ls" -s n -l last -d 'the N newest, whatever they do' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand ls" -s a -l all -d 'also those that do not run'
complete -c lockstep -n "__fish_lockstep_using_subcommand ls" -s q -l quiet -d 'ids alone'
complete -c lockstep -n "__fish_lockstep_using_subcommand ls" -l no-trunc -d 'whole ids and commands'
complete -c lockstep -n "__fish_lockstep_using_subcommand ls" -l json -d 'as --format json'
complete -c lockstep -n "__fish_lockstep_using_subcommand ls" -s l -l latest -d 'the newest, whatever it does'
complete -c lockstep -n "__fish_lockstep_using_subcommand ls" -l noheading -d 'no headings'
complete -c lockstep -n "__fish_lockstep_using_subcommand ls" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand list" -s f -l filter -d 'id, name, status, label, label!, exited, ancestor, before, since, until, volume, network, command, health' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand list" -l format -d 'json, table or a template as {{.ID}} {{.Names}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand list" -s n -l last -d 'the N newest, whatever they do' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand list" -s a -l all -d 'also those that do not run'
complete -c lockstep -n "__fish_lockstep_using_subcommand list" -s q -l quiet -d 'ids alone'
complete -c lockstep -n "__fish_lockstep_using_subcommand list" -l no-trunc -d 'whole ids and commands'
complete -c lockstep -n "__fish_lockstep_using_subcommand list" -l json -d 'as --format json'
complete -c lockstep -n "__fish_lockstep_using_subcommand list" -s l -l latest -d 'the newest, whatever it does'
complete -c lockstep -n "__fish_lockstep_using_subcommand list" -l noheading -d 'no headings'
complete -c lockstep -n "__fish_lockstep_using_subcommand list" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand logs" -s n -l tail -d 'the last N lines, or all' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand logs" -l since -d 'not older: RFC 3339, seconds, or as 10m' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand logs" -l until -d 'not newer' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand logs" -s f -l follow -d 'go on until it has ended'
complete -c lockstep -n "__fish_lockstep_using_subcommand logs" -s t -l timestamps -d 'with the time of each line'
complete -c lockstep -n "__fish_lockstep_using_subcommand logs" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand inspect" -s f -l format -d 'json or a Go template as {{.State.Status}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand inspect" -l type -d 'what the names are of; any by default, in this order' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand inspect" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand top" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand stats" -l format -d 'json, table or a template as {{.Name}} {{.MemUsage}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand stats" -s i -l interval -d 'time between two prints (5)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand stats" -l no-stream -d 'once'
complete -c lockstep -n "__fish_lockstep_using_subcommand stats" -s a -l all -d 'also those that do not run'
complete -c lockstep -n "__fish_lockstep_using_subcommand stats" -l no-trunc -d 'whole ids'
complete -c lockstep -n "__fish_lockstep_using_subcommand stats" -l json -d 'as --format json'
complete -c lockstep -n "__fish_lockstep_using_subcommand stats" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand port" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand stop" -s t -l time -d 'until SIGKILL; the container\'s own by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand stop" -l timeout -d 'as --time' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand stop" -s s -l signal -d 'in place of the container\'s stop signal' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand stop" -s i -l ignore -d 'a missing container is no error'
complete -c lockstep -n "__fish_lockstep_using_subcommand stop" -s a -l all -d 'all running containers'
complete -c lockstep -n "__fish_lockstep_using_subcommand stop" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand kill" -s s -l signal -d 'SIGKILL by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand kill" -s a -l all -d 'all running containers'
complete -c lockstep -n "__fish_lockstep_using_subcommand kill" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand restart" -s t -l time -d 'until SIGKILL; the container\'s own by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand restart" -l timeout -d 'as --time' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand restart" -s s -l signal -d 'in place of the container\'s stop signal' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand restart" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand pause" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand unpause" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand wait" -l condition -d 'what to wait for' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand wait" -l ignore -d 'a missing container is no error and prints -1'
complete -c lockstep -n "__fish_lockstep_using_subcommand wait" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand rm" -s t -l time -d 'with --force, ask first and wait so long' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand rm" -s f -l force -d 'kill what runs; a missing container is no error'
complete -c lockstep -n "__fish_lockstep_using_subcommand rm" -s a -l all -d 'all containers'
complete -c lockstep -n "__fish_lockstep_using_subcommand rm" -s i -l ignore -d 'a missing container is no error'
complete -c lockstep -n "__fish_lockstep_using_subcommand rm" -s v -l volumes -d 'with its volumes that nobody gave a name, unless another container has them'
complete -c lockstep -n "__fish_lockstep_using_subcommand rm" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand rename" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand update" -l pids-limit -d 'processes and threads; -1 for no limit' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand update" -s m -l memory -d 'memory' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand update" -l memory-swap -d 'memory and swap together; -1 for any swap' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand update" -l memory-reservation -d 'memory that is taken away last' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand update" -l cpus -d 'processors, as 1.5' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand update" -s c -l cpu-shares -d 'weight against others' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand update" -l cpu-quota -d 'of each period' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand update" -l cpu-period -d 'the period' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand update" -l cpuset-cpus -d 'processors, as 0-2,4' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand update" -l cpuset-mems -d 'memory nodes' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand update" -l blkio-weight -d 'weight of disk I/O' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand update" -l restart -d 'no, on-failure[:N], always, unless-stopped' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand update" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand load" -s i -l input -d 'an archive of either kind; standard input by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand load" -s q -l quiet -d 'print nothing'
complete -c lockstep -n "__fish_lockstep_using_subcommand load" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand images" -l format -d 'json, table or a template as {{.Repository}} {{.Tag}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand images" -s f -l filter -d 'reference, dangling, label, label!, before, since, until, id, digest' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand images" -s q -l quiet -d 'ids alone'
complete -c lockstep -n "__fish_lockstep_using_subcommand images" -l no-trunc -d 'whole ids'
complete -c lockstep -n "__fish_lockstep_using_subcommand images" -l json -d 'as --format json'
complete -c lockstep -n "__fish_lockstep_using_subcommand images" -l noheading -d 'no headings'
complete -c lockstep -n "__fish_lockstep_using_subcommand images" -s a -l all -d 'all of them, which is the default'
complete -c lockstep -n "__fish_lockstep_using_subcommand images" -l digests -d 'a column with the digests'
complete -c lockstep -n "__fish_lockstep_using_subcommand images" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand rmi" -s f -l force -d 'also by an id with several names; one in use loses its names'
complete -c lockstep -n "__fish_lockstep_using_subcommand rmi" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand tag" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand save" -s o -l output -d 'the archive; standard output by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand save" -l format -d 'its form (docker-archive)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand save" -s q -l quiet -d 'say nothing on a terminal either'
complete -c lockstep -n "__fish_lockstep_using_subcommand save" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand history" -l format -d 'json, table or a template as {{.CreatedBy}} {{.Size}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand history" -l no-trunc -d 'whole ids and commands'
complete -c lockstep -n "__fish_lockstep_using_subcommand history" -s q -l quiet -d 'ids alone'
complete -c lockstep -n "__fish_lockstep_using_subcommand history" -s H -l human -d 'sizes and times for people (default)'
complete -c lockstep -n "__fish_lockstep_using_subcommand history" -l json -d 'as --format json'
complete -c lockstep -n "__fish_lockstep_using_subcommand history" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand prune" -s a -l all -d 'also those with a name'
complete -c lockstep -n "__fish_lockstep_using_subcommand prune" -s f -l force -d 'ask no question, which is the default'
complete -c lockstep -n "__fish_lockstep_using_subcommand prune" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l host -d 'for the host that lockstep doctor --json described, in place of this one' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -s a -l attach -d 'stdin, stdout or stderr; all by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -s e -l env -d 'an environment variable; without a value the caller\'s' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l env-file -d 'environment variables, one a line' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l unsetenv -d 'take a variable of the image away' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -s w -l workdir -d 'working directory' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -s u -l user -d 'names or numbers inside the container' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l group-add -d 'a further group' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l umask -d 'file mode creation mask (0022)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l entrypoint -d 'in place of the image\'s' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l stop-signal -d 'asks the container to stop (SIGTERM)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l stop-timeout -d 'from that signal to SIGKILL (10)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l timeout -d 'stop the container after this time' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l cap-add -d 'a capability more, or all' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l cap-drop -d 'a capability less, or all' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l security-opt -d 'no-new-privileges[=false], seccomp=FILE|unconfined|builtin, apparmor=NAME, label=..., mask=PATHS, unmask=PATHS|ALL, systempaths=unconfined, proc-opts=OPTIONS' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l device -d 'a device, or one by its vendor\'s name (CDI) as vendor.com/class=name' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l gpus -d 'as --device nvidia.com/gpu=ID for each' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l device-cgroup-rule -d 'a rule of the device cgroup, as \'c 1:3 rwm\'' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l sysctl -d 'a sysctl of the container\'s own namespaces' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l network -d 'none by default: a loopback of its own' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l net -d 'as --network' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l userns -d 'user ids inside and on the host' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l uidmap -d 'user ids, in place of a block of its own' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l gidmap -d 'group ids' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l pid -d 'process ids' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l ipc -d 'System V IPC and message queues; none: without /dev/shm' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l uts -d 'host name' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l cgroupns -d 'view of the cgroups' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -s h -l hostname -d 'host name; the id by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l domainname -d 'NIS domain name' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l add-host -d 'a line of /etc/hosts' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -s v -l volume -d 'a directory or file of the host, or a volume by its name; a new volume without a source' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l volumes-from -d 'what another container was given' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l image-volume -d 'what the volumes are that the image asks for (anonymous)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l mount -d 'bind or tmpfs, with options' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l secret -d 'a secret as a file of /run/secrets (target=, uid=, gid=, mode=), or as a variable (type=env)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l tmpfs -d 'a file system in memory' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l shm-size -d 'size of /dev/shm (64m)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l tz -d '/etc/localtime: a zone of this host\'s, as Europe/Berlin, or its own' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l pids-limit -d 'processes and threads (2048); -1 for no limit' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -s m -l memory -d 'memory' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l memory-swap -d 'memory and swap together; -1 for any swap' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l memory-reservation -d 'memory that is taken away last' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l memory-swappiness -d 'how readily memory is swapped out' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l cpus -d 'processors, as 1.5' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -s c -l cpu-shares -d 'weight against others' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l cpu-quota -d 'of each period' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l cpu-period -d 'the period' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l cpuset-cpus -d 'processors, as 0-2,4' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l cpuset-mems -d 'memory nodes' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l blkio-weight -d 'weight of disk I/O' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l blkio-weight-device -d 'weight on one disk' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l device-read-bps -d 'bytes read from a disk per second' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l device-write-bps -d 'bytes written' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l device-read-iops -d 'reads from a disk per second' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l device-write-iops -d 'writes' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l ulimit -d 'a limit of each process' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l oom-score-adj -d 'who is killed first when memory is out' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l cgroup-parent -d 'the cgroup above the container\'s' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l cgroup-conf -d 'a setting of cgroup v2' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l json -d 'as JSON'
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -s i -l interactive -d 'keep standard input open'
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -s t -l tty -d 'make a terminal'
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l env-host -d 'the caller\'s whole environment'
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l http-proxy -d 'the caller\'s variables of proxies, as http_proxy'
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l unsetenv-all -d 'take all variables of the image away'
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l init -d 'our own first process starts the program, passes signals on and reaps orphans'
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l privileged -d 'give nearly everything back, and say what'
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l no-hosts -d 'leave the image\'s /etc/hosts'
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l no-hostname -d 'leave the image\'s /etc/hostname'
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l read-only -d 'a root file system that cannot be written; host: has one anyway'
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l read-only-tmpfs -d 'with --read-only, /tmp, /var/tmp and /run can be written (default)'
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l rootfs -d 'IMAGE is a directory, as rootfs:DIR'
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l oom-kill-disable -d 'wait instead of being killed when memory is out'
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l why -d 'print every setting, who asked for it, and what gives it back; start nothing'
complete -c lockstep -n "__fish_lockstep_using_subcommand plan" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand doctor" -l json -d 'as JSON'
complete -c lockstep -n "__fish_lockstep_using_subcommand doctor" -l apparmor-profile -d 'print the AppArmor profile that lets lockstep have user namespaces where only programs with one may'
complete -c lockstep -n "__fish_lockstep_using_subcommand doctor" -l selinux-module -d 'print the SELinux module that adds container_t to a policy without it'
complete -c lockstep -n "__fish_lockstep_using_subcommand doctor" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand info" -l json -d 'as JSON'
complete -c lockstep -n "__fish_lockstep_using_subcommand info" -l apparmor-profile -d 'print the AppArmor profile that lets lockstep have user namespaces where only programs with one may'
complete -c lockstep -n "__fish_lockstep_using_subcommand info" -l selinux-module -d 'print the SELinux module that adds container_t to a policy without it'
complete -c lockstep -n "__fish_lockstep_using_subcommand info" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand version" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "run" -d 'run a program in a new container'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "create" -d 'make a container without starting it'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "start" -d 'start containers that were created or have ended'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "exec" -d 'run another program in a running container'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "attach" -d 'connect to a running container\'s standard streams'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "cp" -d 'copy files between a container and here, or another container'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "ps" -d 'list containers'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "ls" -d 'list containers'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "list" -d 'list containers'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "logs" -d 'print what a container has written'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "inspect" -d 'as inspect, of containers alone'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "top" -d 'list the processes of a container'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "stats" -d 'print what containers use'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "port" -d 'list published ports: a container of this release has none'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "stop" -d 'ask containers to end, and after a time kill them'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "kill" -d 'send a signal to the first process'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "restart" -d 'stop containers and start them again'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "pause" -d 'stop every process where it is'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "unpause" -d 'let them go on'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "wait" -d 'wait until containers have ended and print their exit codes'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "rm" -d 'remove containers'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "rename" -d 'give a container another name'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "update" -d 'change the limits of containers'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and not __fish_seen_subcommand_from run create start exec attach cp ps ls list logs inspect top stats port stop kill restart pause unpause wait rm rename update prune" -f -a "prune" -d 'remove all containers that do not run'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l detach-keys -d 'keys that leave an attached container (ctrl-p,ctrl-q)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l cidfile -d 'write the container\'s id to a new file' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l preserve-fds -d 'hand descriptors 3 to 2+N of the caller over to the program' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l preserve-fd -d 'hand these over; one in between that is not named is /dev/null' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l name -d 'a name; else one is made up' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -s l -l label -d 'a label' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l label-file -d 'labels, one a line' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l annotation -d 'an annotation of the OCI configuration' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l pull -d 'both: an image that is not in the store is an error' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l platform -d 'that of this host, no other' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l os -d 'linux' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l arch -d 'that of this host, no other' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l variant -d 'the one that every machine of this kind executes' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -s a -l attach -d 'stdin, stdout or stderr; all by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -s e -l env -d 'an environment variable; without a value the caller\'s' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l env-file -d 'environment variables, one a line' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l unsetenv -d 'take a variable of the image away' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -s w -l workdir -d 'working directory' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -s u -l user -d 'names or numbers inside the container' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l group-add -d 'a further group' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l umask -d 'file mode creation mask (0022)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l entrypoint -d 'in place of the image\'s' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l stop-signal -d 'asks the container to stop (SIGTERM)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l stop-timeout -d 'from that signal to SIGKILL (10)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l timeout -d 'stop the container after this time' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l cap-add -d 'a capability more, or all' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l cap-drop -d 'a capability less, or all' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l security-opt -d 'no-new-privileges[=false], seccomp=FILE|unconfined|builtin, apparmor=NAME, label=..., mask=PATHS, unmask=PATHS|ALL, systempaths=unconfined, proc-opts=OPTIONS' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l device -d 'a device, or one by its vendor\'s name (CDI) as vendor.com/class=name' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l gpus -d 'as --device nvidia.com/gpu=ID for each' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l device-cgroup-rule -d 'a rule of the device cgroup, as \'c 1:3 rwm\'' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l sysctl -d 'a sysctl of the container\'s own namespaces' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l network -d 'none by default: a loopback of its own' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l net -d 'as --network' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l userns -d 'user ids inside and on the host' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l uidmap -d 'user ids, in place of a block of its own' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l gidmap -d 'group ids' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l pid -d 'process ids' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l ipc -d 'System V IPC and message queues; none: without /dev/shm' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l uts -d 'host name' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l cgroupns -d 'view of the cgroups' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -s h -l hostname -d 'host name; the id by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l domainname -d 'NIS domain name' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l add-host -d 'a line of /etc/hosts' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -s v -l volume -d 'a directory or file of the host, or a volume by its name; a new volume without a source' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l volumes-from -d 'what another container was given' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l image-volume -d 'what the volumes are that the image asks for (anonymous)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l mount -d 'bind or tmpfs, with options' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l secret -d 'a secret as a file of /run/secrets (target=, uid=, gid=, mode=), or as a variable (type=env)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l tmpfs -d 'a file system in memory' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l shm-size -d 'size of /dev/shm (64m)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l tz -d '/etc/localtime: a zone of this host\'s, as Europe/Berlin, or its own' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l pids-limit -d 'processes and threads (2048); -1 for no limit' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -s m -l memory -d 'memory' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l memory-swap -d 'memory and swap together; -1 for any swap' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l memory-reservation -d 'memory that is taken away last' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l memory-swappiness -d 'how readily memory is swapped out' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l cpus -d 'processors, as 1.5' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -s c -l cpu-shares -d 'weight against others' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l cpu-quota -d 'of each period' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l cpu-period -d 'the period' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l cpuset-cpus -d 'processors, as 0-2,4' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l cpuset-mems -d 'memory nodes' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l blkio-weight -d 'weight of disk I/O' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l blkio-weight-device -d 'weight on one disk' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l device-read-bps -d 'bytes read from a disk per second' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l device-write-bps -d 'bytes written' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l device-read-iops -d 'reads from a disk per second' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l device-write-iops -d 'writes' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l ulimit -d 'a limit of each process' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l oom-score-adj -d 'who is killed first when memory is out' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l cgroup-parent -d 'the cgroup above the container\'s' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l cgroup-conf -d 'a setting of cgroup v2' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l restart -d 'no, on-failure[:N], always, unless-stopped' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l log-driver -d 'k8s-file (default; json-file and local are other names of it) or none' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l log-opt -d 'max-size=BYTES, max-file=N' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l pidfile -d 'write the first process\'s id to a file' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l conmon-pidfile -d 'write the supervisor\'s id to a file' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l sdnotify -d 'who tells the service manager (NOTIFY_SOCKET) that the container is ready: its program (default), lockstep when it has begun or when it is healthy, nobody' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l cgroups -d 'the first two are what is done: the supervisor stays in the caller\'s cgroup; disabled: no cgroup' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l health-cmd -d 'a shell line, or a JSON array of words, that succeeds in a healthy container; none for no check' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l health-interval -d 'between two checks (30s); disable leaves them to healthcheck run' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l health-timeout -d 'longest time of a check (30s)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l health-retries -d 'failures in a row until it is unhealthy (3)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l health-start-period -d 'time after the start in which failures do not count (0s)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l health-start-interval -d 'between two checks in that time, until one succeeds (5s)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l health-on-failure -d 'what is done with an unhealthy container' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -s d -l detach -d 'leave it running and print its id'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l rm -d 'remove the container when it has ended'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l sig-proxy -d 'pass signals on to the program (default)'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l replace -d 'remove a container of the same name first'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -s q -l quiet -d 'print nothing about an image\'s way here'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -s i -l interactive -d 'keep standard input open'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -s t -l tty -d 'make a terminal'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l env-host -d 'the caller\'s whole environment'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l http-proxy -d 'the caller\'s variables of proxies, as http_proxy'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l unsetenv-all -d 'take all variables of the image away'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l init -d 'our own first process starts the program, passes signals on and reaps orphans'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l privileged -d 'give nearly everything back, and say what'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l no-hosts -d 'leave the image\'s /etc/hosts'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l no-hostname -d 'leave the image\'s /etc/hostname'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l read-only -d 'a root file system that cannot be written; host: has one anyway'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l read-only-tmpfs -d 'with --read-only, /tmp, /var/tmp and /run can be written (default)'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l rootfs -d 'IMAGE is a directory, as rootfs:DIR'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l oom-kill-disable -d 'wait instead of being killed when memory is out'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l no-healthcheck -d 'without the image\'s check'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l why -d 'print every setting, who asked for it, and what gives it back; start nothing'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from run" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l cidfile -d 'write the container\'s id to a new file' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l name -d 'a name; else one is made up' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -s l -l label -d 'a label' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l label-file -d 'labels, one a line' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l annotation -d 'an annotation of the OCI configuration' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l pull -d 'both: an image that is not in the store is an error' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l platform -d 'that of this host, no other' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l os -d 'linux' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l arch -d 'that of this host, no other' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l variant -d 'the one that every machine of this kind executes' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -s a -l attach -d 'stdin, stdout or stderr; all by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -s e -l env -d 'an environment variable; without a value the caller\'s' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l env-file -d 'environment variables, one a line' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l unsetenv -d 'take a variable of the image away' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -s w -l workdir -d 'working directory' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -s u -l user -d 'names or numbers inside the container' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l group-add -d 'a further group' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l umask -d 'file mode creation mask (0022)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l entrypoint -d 'in place of the image\'s' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l stop-signal -d 'asks the container to stop (SIGTERM)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l stop-timeout -d 'from that signal to SIGKILL (10)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l timeout -d 'stop the container after this time' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l cap-add -d 'a capability more, or all' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l cap-drop -d 'a capability less, or all' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l security-opt -d 'no-new-privileges[=false], seccomp=FILE|unconfined|builtin, apparmor=NAME, label=..., mask=PATHS, unmask=PATHS|ALL, systempaths=unconfined, proc-opts=OPTIONS' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l device -d 'a device, or one by its vendor\'s name (CDI) as vendor.com/class=name' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l gpus -d 'as --device nvidia.com/gpu=ID for each' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l device-cgroup-rule -d 'a rule of the device cgroup, as \'c 1:3 rwm\'' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l sysctl -d 'a sysctl of the container\'s own namespaces' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l network -d 'none by default: a loopback of its own' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l net -d 'as --network' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l userns -d 'user ids inside and on the host' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l uidmap -d 'user ids, in place of a block of its own' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l gidmap -d 'group ids' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l pid -d 'process ids' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l ipc -d 'System V IPC and message queues; none: without /dev/shm' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l uts -d 'host name' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l cgroupns -d 'view of the cgroups' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -s h -l hostname -d 'host name; the id by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l domainname -d 'NIS domain name' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l add-host -d 'a line of /etc/hosts' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -s v -l volume -d 'a directory or file of the host, or a volume by its name; a new volume without a source' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l volumes-from -d 'what another container was given' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l image-volume -d 'what the volumes are that the image asks for (anonymous)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l mount -d 'bind or tmpfs, with options' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l secret -d 'a secret as a file of /run/secrets (target=, uid=, gid=, mode=), or as a variable (type=env)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l tmpfs -d 'a file system in memory' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l shm-size -d 'size of /dev/shm (64m)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l tz -d '/etc/localtime: a zone of this host\'s, as Europe/Berlin, or its own' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l pids-limit -d 'processes and threads (2048); -1 for no limit' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -s m -l memory -d 'memory' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l memory-swap -d 'memory and swap together; -1 for any swap' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l memory-reservation -d 'memory that is taken away last' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l memory-swappiness -d 'how readily memory is swapped out' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l cpus -d 'processors, as 1.5' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -s c -l cpu-shares -d 'weight against others' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l cpu-quota -d 'of each period' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l cpu-period -d 'the period' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l cpuset-cpus -d 'processors, as 0-2,4' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l cpuset-mems -d 'memory nodes' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l blkio-weight -d 'weight of disk I/O' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l blkio-weight-device -d 'weight on one disk' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l device-read-bps -d 'bytes read from a disk per second' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l device-write-bps -d 'bytes written' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l device-read-iops -d 'reads from a disk per second' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l device-write-iops -d 'writes' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l ulimit -d 'a limit of each process' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l oom-score-adj -d 'who is killed first when memory is out' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l cgroup-parent -d 'the cgroup above the container\'s' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l cgroup-conf -d 'a setting of cgroup v2' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l restart -d 'no, on-failure[:N], always, unless-stopped' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l log-driver -d 'k8s-file (default; json-file and local are other names of it) or none' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l log-opt -d 'max-size=BYTES, max-file=N' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l pidfile -d 'write the first process\'s id to a file' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l conmon-pidfile -d 'write the supervisor\'s id to a file' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l sdnotify -d 'who tells the service manager (NOTIFY_SOCKET) that the container is ready: its program (default), lockstep when it has begun or when it is healthy, nobody' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l cgroups -d 'the first two are what is done: the supervisor stays in the caller\'s cgroup; disabled: no cgroup' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l health-cmd -d 'a shell line, or a JSON array of words, that succeeds in a healthy container; none for no check' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l health-interval -d 'between two checks (30s); disable leaves them to healthcheck run' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l health-timeout -d 'longest time of a check (30s)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l health-retries -d 'failures in a row until it is unhealthy (3)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l health-start-period -d 'time after the start in which failures do not count (0s)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l health-start-interval -d 'between two checks in that time, until one succeeds (5s)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l health-on-failure -d 'what is done with an unhealthy container' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l rm -d 'remove the container when it has ended'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l replace -d 'remove a container of the same name first'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -s q -l quiet -d 'print nothing about an image\'s way here'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -s i -l interactive -d 'keep standard input open'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -s t -l tty -d 'make a terminal'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l env-host -d 'the caller\'s whole environment'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l http-proxy -d 'the caller\'s variables of proxies, as http_proxy'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l unsetenv-all -d 'take all variables of the image away'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l init -d 'our own first process starts the program, passes signals on and reaps orphans'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l privileged -d 'give nearly everything back, and say what'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l no-hosts -d 'leave the image\'s /etc/hosts'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l no-hostname -d 'leave the image\'s /etc/hostname'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l read-only -d 'a root file system that cannot be written; host: has one anyway'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l read-only-tmpfs -d 'with --read-only, /tmp, /var/tmp and /run can be written (default)'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l rootfs -d 'IMAGE is a directory, as rootfs:DIR'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l oom-kill-disable -d 'wait instead of being killed when memory is out'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l no-healthcheck -d 'without the image\'s check'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l why -d 'print every setting, who asked for it, and what gives it back; start nothing'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from create" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from start" -l detach-keys -d 'keys that leave it (ctrl-p,ctrl-q)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from start" -s a -l attach -d 'attach to its output'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from start" -s i -l interactive -d 'attach to its input too'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from start" -l sig-proxy -d 'pass signals on to the program (default)'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from start" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from exec" -s e -l env -d 'an environment variable' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from exec" -l env-file -d 'environment variables, one a line' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from exec" -s w -l workdir -d 'working directory; the container\'s by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from exec" -s u -l user -d 'names or numbers inside the container' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from exec" -l detach-keys -d 'keys that leave a terminal (ctrl-p,ctrl-q)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from exec" -l preserve-fds -d 'hand descriptors 3 to 2+N of the caller over to the program' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from exec" -l preserve-fd -d 'hand these over; one in between that is not named is /dev/null' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from exec" -s d -l detach -d 'do not wait for it'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from exec" -s i -l interactive -d 'keep standard input open'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from exec" -s t -l tty -d 'make a terminal'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from exec" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from attach" -l detach-keys -d 'keys that leave it (ctrl-p,ctrl-q)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from attach" -l no-stdin -d 'the output alone'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from attach" -l sig-proxy -d 'pass signals on to the program (default)'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from attach" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from cp" -s a -l archive -d 'keep owners, by number, and setuid programs; else files belong to the container\'s root, or to you'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from cp" -s L -l follow-link -d 'copy what a link leads to, if SRC is one'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from cp" -s q -l quiet -d 'say nothing on a terminal either'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from cp" -l overwrite -d 'let a directory take the place of something else, and the other way round'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from cp" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from ps" -s f -l filter -d 'id, name, status, label, label!, exited, ancestor, before, since, until, volume, network, command, health' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from ps" -l format -d 'json, table or a template as {{.ID}} {{.Names}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from ps" -s n -l last -d 'the N newest, whatever they do' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from ps" -s a -l all -d 'also those that do not run'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from ps" -s q -l quiet -d 'ids alone'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from ps" -l no-trunc -d 'whole ids and commands'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from ps" -l json -d 'as --format json'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from ps" -s l -l latest -d 'the newest, whatever it does'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from ps" -l noheading -d 'no headings'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from ps" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from ls" -s f -l filter -d 'id, name, status, label, label!, exited, ancestor, before, since, until, volume, network, command, health' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from ls" -l format -d 'json, table or a template as {{.ID}} {{.Names}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from ls" -s n -l last -d 'the N newest, whatever they do' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from ls" -s a -l all -d 'also those that do not run'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'ids alone'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from ls" -l no-trunc -d 'whole ids and commands'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from ls" -l json -d 'as --format json'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from ls" -s l -l latest -d 'the newest, whatever it does'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from ls" -l noheading -d 'no headings'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from ls" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from list" -s f -l filter -d 'id, name, status, label, label!, exited, ancestor, before, since, until, volume, network, command, health' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from list" -l format -d 'json, table or a template as {{.ID}} {{.Names}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from list" -s n -l last -d 'the N newest, whatever they do' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from list" -s a -l all -d 'also those that do not run'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from list" -s q -l quiet -d 'ids alone'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from list" -l no-trunc -d 'whole ids and commands'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from list" -l json -d 'as --format json'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from list" -s l -l latest -d 'the newest, whatever it does'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from list" -l noheading -d 'no headings'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from list" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from logs" -s n -l tail -d 'the last N lines, or all' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from logs" -l since -d 'not older: RFC 3339, seconds, or as 10m' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from logs" -l until -d 'not newer' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from logs" -s f -l follow -d 'go on until it has ended'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from logs" -s t -l timestamps -d 'with the time of each line'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from logs" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from inspect" -s f -l format -d 'json or a Go template as {{.State.Status}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from inspect" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from top" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from stats" -l format -d 'json, table or a template as {{.Name}} {{.MemUsage}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from stats" -s i -l interval -d 'time between two prints (5)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from stats" -l no-stream -d 'once'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from stats" -s a -l all -d 'also those that do not run'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from stats" -l no-trunc -d 'whole ids'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from stats" -l json -d 'as --format json'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from stats" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from port" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from stop" -s t -l time -d 'until SIGKILL; the container\'s own by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from stop" -l timeout -d 'as --time' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from stop" -s s -l signal -d 'in place of the container\'s stop signal' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from stop" -s i -l ignore -d 'a missing container is no error'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from stop" -s a -l all -d 'all running containers'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from stop" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from kill" -s s -l signal -d 'SIGKILL by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from kill" -s a -l all -d 'all running containers'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from kill" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from restart" -s t -l time -d 'until SIGKILL; the container\'s own by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from restart" -l timeout -d 'as --time' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from restart" -s s -l signal -d 'in place of the container\'s stop signal' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from restart" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from pause" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from unpause" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from wait" -l condition -d 'what to wait for' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from wait" -l ignore -d 'a missing container is no error and prints -1'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from wait" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from rm" -s t -l time -d 'with --force, ask first and wait so long' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from rm" -s f -l force -d 'kill what runs; a missing container is no error'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from rm" -s a -l all -d 'all containers'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'a missing container is no error'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from rm" -s v -l volumes -d 'with its volumes that nobody gave a name, unless another container has them'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from rm" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from rename" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from update" -l pids-limit -d 'processes and threads; -1 for no limit' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from update" -s m -l memory -d 'memory' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from update" -l memory-swap -d 'memory and swap together; -1 for any swap' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from update" -l memory-reservation -d 'memory that is taken away last' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from update" -l cpus -d 'processors, as 1.5' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from update" -s c -l cpu-shares -d 'weight against others' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from update" -l cpu-quota -d 'of each period' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from update" -l cpu-period -d 'the period' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from update" -l cpuset-cpus -d 'processors, as 0-2,4' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from update" -l cpuset-mems -d 'memory nodes' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from update" -l blkio-weight -d 'weight of disk I/O' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from update" -l restart -d 'no, on-failure[:N], always, unless-stopped' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from update" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from prune" -l filter -d 'those alone that fit: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from prune" -s f -l force -d 'ask no question, which is the default'
complete -c lockstep -n "__fish_lockstep_using_subcommand container; and __fish_seen_subcommand_from prune" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and not __fish_seen_subcommand_from inspect ls list rm load save tag history prune remove" -f -a "inspect" -d 'as inspect, of images alone'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and not __fish_seen_subcommand_from inspect ls list rm load save tag history prune remove" -f -a "ls" -d 'list images'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and not __fish_seen_subcommand_from inspect ls list rm load save tag history prune remove" -f -a "list" -d 'list images'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and not __fish_seen_subcommand_from inspect ls list rm load save tag history prune remove" -f -a "rm" -d 'remove images, or one of their names'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and not __fish_seen_subcommand_from inspect ls list rm load save tag history prune remove" -f -a "load" -d 'bring images from a directory or an archive into the store'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and not __fish_seen_subcommand_from inspect ls list rm load save tag history prune remove" -f -a "save" -d 'write images to an archive'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and not __fish_seen_subcommand_from inspect ls list rm load save tag history prune remove" -f -a "tag" -d 'give an image further names'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and not __fish_seen_subcommand_from inspect ls list rm load save tag history prune remove" -f -a "history" -d 'list the steps of an image\'s making'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and not __fish_seen_subcommand_from inspect ls list rm load save tag history prune remove" -f -a "prune" -d 'remove images without a name, or with --all those that no container needs'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and not __fish_seen_subcommand_from inspect ls list rm load save tag history prune remove" -f -a "remove" -d 'remove images, or one of their names'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from inspect" -s f -l format -d 'json or a Go template as {{.State.Status}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from inspect" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from ls" -l format -d 'json, table or a template as {{.Repository}} {{.Tag}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from ls" -s f -l filter -d 'reference, dangling, label, label!, before, since, until, id, digest' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'ids alone'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from ls" -l no-trunc -d 'whole ids'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from ls" -l json -d 'as --format json'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from ls" -l noheading -d 'no headings'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from ls" -s a -l all -d 'all of them, which is the default'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from ls" -l digests -d 'a column with the digests'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from ls" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from list" -l format -d 'json, table or a template as {{.Repository}} {{.Tag}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from list" -s f -l filter -d 'reference, dangling, label, label!, before, since, until, id, digest' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from list" -s q -l quiet -d 'ids alone'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from list" -l no-trunc -d 'whole ids'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from list" -l json -d 'as --format json'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from list" -l noheading -d 'no headings'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from list" -s a -l all -d 'all of them, which is the default'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from list" -l digests -d 'a column with the digests'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from list" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from rm" -s f -l force -d 'also by an id with several names; one in use loses its names'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from rm" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from load" -s i -l input -d 'an archive of either kind; standard input by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from load" -s q -l quiet -d 'print nothing'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from load" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from save" -s o -l output -d 'the archive; standard output by default' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from save" -l format -d 'its form (docker-archive)' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from save" -s q -l quiet -d 'say nothing on a terminal either'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from save" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from tag" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from history" -l format -d 'json, table or a template as {{.CreatedBy}} {{.Size}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from history" -l no-trunc -d 'whole ids and commands'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from history" -s q -l quiet -d 'ids alone'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from history" -s H -l human -d 'sizes and times for people (default)'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from history" -l json -d 'as --format json'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from history" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from prune" -s a -l all -d 'also those with a name'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from prune" -s f -l force -d 'ask no question, which is the default'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from prune" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from remove" -s f -l force -d 'also by an id with several names; one in use loses its names'
complete -c lockstep -n "__fish_lockstep_using_subcommand image; and __fish_seen_subcommand_from remove" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand healthcheck; and not __fish_seen_subcommand_from run" -f -a "run" -d 'run a container\'s health check now'
complete -c lockstep -n "__fish_lockstep_using_subcommand healthcheck; and __fish_seen_subcommand_from run" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm remove prune exists" -f -a "create" -d 'make a volume, or say that it is there'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm remove prune exists" -f -a "ls" -d 'list volumes'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm remove prune exists" -f -a "list" -d 'list volumes'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm remove prune exists" -f -a "inspect" -d 'print everything that is known of volumes, as JSON'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm remove prune exists" -f -a "rm" -d 'remove volumes that no container has'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm remove prune exists" -f -a "remove" -d 'remove volumes that no container has'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm remove prune exists" -f -a "prune" -d 'remove the volumes that nobody named and no container has'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm remove prune exists" -f -a "exists" -d 'whether there is a volume of this name: 0 or 1'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from create" -s l -l label -d 'a label' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from create" -s d -l driver -d 'the only one there is' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from create" -l ignore -d 'one that is there is no error, which is the default'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from create" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from ls" -s f -l filter -d 'name, label, label!, dangling, anonymous, driver, since, until' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from ls" -l format -d 'json, table or a template as {{.Name}} {{.Mountpoint}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'names alone'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from ls" -l json -d 'as --format json'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from ls" -s n -l noheading -d 'no headings'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from ls" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from list" -s f -l filter -d 'name, label, label!, dangling, anonymous, driver, since, until' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from list" -l format -d 'json, table or a template as {{.Name}} {{.Mountpoint}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from list" -s q -l quiet -d 'names alone'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from list" -l json -d 'as --format json'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from list" -s n -l noheading -d 'no headings'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from list" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s f -l format -d 'json or a Go template as {{.Mountpoint}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from inspect" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from rm" -s f -l force -d 'a missing volume is no error'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from rm" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from remove" -s f -l force -d 'a missing volume is no error'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from remove" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from prune" -l filter -d 'label, label!, until' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from prune" -s a -l all -d 'also those with a name'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from prune" -s f -l force -d 'ask no question, which is the default'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from prune" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand volume; and __fish_seen_subcommand_from exists" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove exists" -f -a "create" -d 'keep the content of a file, or of standard input, as a secret'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove exists" -f -a "ls" -d 'list secrets, without their values'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove exists" -f -a "list" -d 'list secrets, without their values'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove exists" -f -a "inspect" -d 'print what is known of secrets but their values, as JSON'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove exists" -f -a "rm" -d 'remove secrets; a container that has one keeps it'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove exists" -f -a "remove" -d 'remove secrets; a container that has one keeps it'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove exists" -f -a "exists" -d 'whether there is a secret of this name: 0 or 1'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from create" -s l -l label -d 'a label' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from create" -s d -l driver -d 'the only one there is' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from create" -l env -d 'the value is that of an environment variable, which FILE names'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from create" -l replace -d 'take the place of one of the same name'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from create" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from ls" -s f -l filter -d 'name, id' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from ls" -l format -d 'json, table or a template as {{.Name}} {{.CreatedAt}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'ids alone'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from ls" -s n -l noheading -d 'no headings'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from ls" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from list" -s f -l filter -d 'name, id' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from list" -l format -d 'json, table or a template as {{.Name}} {{.CreatedAt}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from list" -s q -l quiet -d 'ids alone'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from list" -s n -l noheading -d 'no headings'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from list" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from inspect" -s f -l format -d 'json or a Go template as {{.Spec.Name}}' -r
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from inspect" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from rm" -s a -l all -d 'all of them'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'a missing secret is no error'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from rm" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from remove" -s a -l all -d 'all of them'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from remove" -s i -l ignore -d 'a missing secret is no error'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from remove" -l help -d 'print this help'
complete -c lockstep -n "__fish_lockstep_using_subcommand secret; and __fish_seen_subcommand_from exists" -l help -d 'print this help'
complete -c lockstep -n "__fish_seen_subcommand_from start exec attach cp logs inspect inspect top stats port stop kill restart pause unpause wait healthcheck rm rename update; and not __fish_seen_subcommand_from image volume secret" -f -a "(lockstep ps -a --format '{{.Names}}' 2>/dev/null)"
