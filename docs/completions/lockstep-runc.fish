# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_lockstep_runc_global_optspecs
    string join \n debug log= log-format= root= criu= systemd-cgroup rootless= v/version h/help
end

function __fish_lockstep_runc_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_lockstep_runc_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_lockstep_runc_using_subcommand
    set -l cmd (__fish_lockstep_runc_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -l log -d 'append log lines to this file instead of standard error' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -l log-format -d 'form of log lines: text or json' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -l root -d 'directory of the containers\' state, best on a tmpfs' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -l criu -d 'path of the criu program' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -l rootless -d 'tolerate cgroups that may not be changed: true, false or auto' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -l debug -d 'log what is done, step by step'
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -l systemd-cgroup -d 'let systemd make the cgroup; cgroupsPath then is slice:prefix:name'
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -s v -l version -d 'print the version'
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -s h -l help -d 'print this help'
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -f -a "checkpoint" -d 'save a running container to disk'
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -f -a "create" -d 'make a container whose process waits for "start"'
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -f -a "delete" -d 'remove what is left of a stopped container'
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -f -a "events" -d 'print resource use and out-of-memory events as JSON lines'
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -f -a "exec" -d 'run another process in a running container'
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -f -a "features" -d 'print what this runtime supports, as the specification\'s JSON'
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -f -a "kill" -d 'send a signal to the container\'s first process'
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -f -a "list" -d 'list the containers below the state directory'
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -f -a "pause" -d 'freeze all processes of a container'
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -f -a "ps" -d 'list the processes of a container'
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -f -a "restore" -d 'start a container from a checkpoint'
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -f -a "resume" -d 'thaw the processes of a paused container'
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -f -a "run" -d 'create and start a container and wait for it'
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -f -a "spec" -d 'write a config.json to start from'
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -f -a "start" -d 'let the process of a created container go on'
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -f -a "state" -d 'print the state of a container as JSON'
complete -c lockstep-runc -n "__fish_lockstep_runc_needs_command" -f -a "update" -d 'change the resource limits of a container'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand checkpoint" -l image-path -d 'directory of the images; "checkpoint" in the current one by default' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand checkpoint" -l work-path -d 'directory of work files and logs' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand checkpoint" -l manage-cgroups-mode -d 'soft, full, strict or ignore' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand checkpoint" -l empty-ns -d 'make this namespace without its properties: network, which always is' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand checkpoint" -l parent-path -d 'directory of the images of the dump before, relative to --image-path' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand checkpoint" -l status-fd -d 'descriptor that gets a zero byte when lazy pages are served' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand checkpoint" -l page-server -d 'address:port of the page server' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand checkpoint" -l tcp-established -d 'allow open TCP connections'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand checkpoint" -l ext-unix-sk -d 'allow unix sockets to the outside'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand checkpoint" -l shell-job -d 'allow a terminal of the outside'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand checkpoint" -l lazy-pages -d 'load memory when it is used'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand checkpoint" -l file-locks -d 'keep file locks'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand checkpoint" -l auto-dedup -d 'drop pages that an earlier image holds'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand checkpoint" -l leave-running -d 'do not stop the container'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand checkpoint" -l tcp-skip-in-flight -d 'leave out connections being opened'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand checkpoint" -l link-remap -d 'keep files that were unlinked'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand checkpoint" -l pre-dump -d 'save memory only and leave the container running'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand checkpoint" -s h -l help -d 'print this help'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand create" -s b -l bundle -d 'directory of the bundle; the current one by default' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand create" -l console-socket -d 'unix socket that gets the master of the container\'s terminal' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand create" -l pidfd-socket -d 'unix socket that gets a pidfd of the process' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand create" -l pid-file -d 'write the process id to this file' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand create" -l preserve-fds -d 'pass this many descriptors after standard streams and $LISTEN_FDS' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand create" -l no-pivot -d 'move the root instead of pivot_root(2); needed on a ramdisk, weaker'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand create" -l no-new-keyring -d 'keep the caller\'s session keyring instead of making one'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand create" -s h -l help -d 'print this help'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand delete" -s f -l force -d 'kill a container that still runs; succeed if there is none'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand delete" -s h -l help -d 'print this help'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand events" -l interval -d 'time between two lines of statistics, such as 500ms' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand events" -l stats -d 'print the statistics once and end'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand events" -s h -l help -d 'print this help'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand exec" -l console-socket -d 'unix socket that gets the master of the process\'s terminal' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand exec" -l pidfd-socket -d 'unix socket that gets a pidfd of the process' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand exec" -l cwd -d 'working directory in the container' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand exec" -s e -l env -d 'add an environment variable, NAME=value' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand exec" -s u -l user -d 'user id and optionally group id: uid[:gid]' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand exec" -s g -l additional-gids -d 'add a supplementary group id' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand exec" -s p -l process -d 'take the process from this JSON file' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand exec" -l pid-file -d 'write the process id to this file' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand exec" -l process-label -d 'SELinux label of the process' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand exec" -l apparmor -d 'AppArmor profile of the process' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand exec" -s c -l cap -d 'add a capability to the process' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand exec" -l preserve-fds -d 'pass this many descriptors after standard streams and $LISTEN_FDS' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand exec" -l cgroup -d 'run in an existing sub-cgroup: [controller,...:]path' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand exec" -s t -l tty -d 'give the process a terminal'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand exec" -s d -l detach -d 'do not wait for the process'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand exec" -l no-new-privs -d 'set no_new_privs'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand exec" -l ignore-paused -d 'allow it in a paused container'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand exec" -s h -l help -d 'print this help'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand features" -s h -l help -d 'print this help'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand kill" -s a -l all -d 'send it to every process of the container'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand kill" -s h -l help -d 'print this help'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand list" -s f -l format -d 'table or json' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand list" -s q -l quiet -d 'print ids only'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand list" -s h -l help -d 'print this help'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand pause" -s h -l help -d 'print this help'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand ps" -s f -l format -d 'table or json' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand ps" -s h -l help -d 'print this help'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand restore" -l image-path -d 'directory of the images; "checkpoint" in the current one by default' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand restore" -l work-path -d 'directory of work files and logs' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand restore" -l manage-cgroups-mode -d 'soft, full, strict or ignore' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand restore" -l empty-ns -d 'make this namespace without its properties: network, which always is' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand restore" -l console-socket -d 'unix socket that gets the terminal\'s master' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand restore" -s b -l bundle -d 'directory of the bundle' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand restore" -l pid-file -d 'write the process id to this file' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand restore" -l lsm-profile -d 'type:name of the LSM profile' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand restore" -l lsm-mount-context -d 'SELinux context of the mounts' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand restore" -l tcp-established -d 'allow open TCP connections'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand restore" -l ext-unix-sk -d 'allow unix sockets to the outside'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand restore" -l shell-job -d 'allow a terminal of the outside'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand restore" -l lazy-pages -d 'load memory when it is used'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand restore" -l file-locks -d 'keep file locks'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand restore" -l auto-dedup -d 'drop pages that an earlier image holds'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand restore" -s d -l detach -d 'do not wait for the container'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand restore" -l no-subreaper -d 'do not adopt orphaned processes'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand restore" -s h -l help -d 'print this help'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand resume" -s h -l help -d 'print this help'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand run" -s b -l bundle -d 'directory of the bundle; the current one by default' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand run" -l console-socket -d 'unix socket that gets the master of the container\'s terminal' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand run" -l pidfd-socket -d 'unix socket that gets a pidfd of the process' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand run" -l pid-file -d 'write the process id to this file' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand run" -l preserve-fds -d 'pass this many descriptors after standard streams and $LISTEN_FDS' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand run" -l no-pivot -d 'move the root instead of pivot_root(2); needed on a ramdisk, weaker'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand run" -l no-new-keyring -d 'keep the caller\'s session keyring instead of making one'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand run" -s d -l detach -d 'do not wait for the container'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand run" -l keep -d 'do not delete the container when it ends'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand run" -l no-subreaper -d 'do not adopt processes whose parent in the container ended'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand run" -s h -l help -d 'print this help'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand spec" -s b -l bundle -d 'directory of the bundle' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand spec" -l rootless -d 'for a container of the calling user without root'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand spec" -s h -l help -d 'print this help'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand start" -s h -l help -d 'print this help'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand state" -s h -l help -d 'print this help'
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand update" -s r -l resources -d 'JSON file with the limits, - for standard input' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand update" -l blkio-weight -d 'block I/O weight, 10 to 1000' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand update" -l cpu-period -d 'CFS period in microseconds' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand update" -l cpu-quota -d 'CFS run time per period in microseconds' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand update" -l cpu-burst -d 'CFS run time that may be saved up, in microseconds' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand update" -l cpu-share -d 'CPU weight against other containers' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand update" -l cpu-rt-period -d 'realtime period in microseconds' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand update" -l cpu-rt-runtime -d 'realtime run time per period in microseconds' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand update" -l cpuset-cpus -d 'CPUs that may be used, such as 0-3,7' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand update" -l cpuset-mems -d 'memory nodes that may be used' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand update" -l cpu-idle -d '1 schedules only when no one else wants to run' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand update" -l kernel-memory -d 'obsolete, ignored' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand update" -l kernel-memory-tcp -d 'obsolete, ignored' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand update" -l memory -d 'memory limit' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand update" -l memory-reservation -d 'memory that is reclaimed down to under pressure' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand update" -l memory-swap -d 'memory and swap together; -1 is unlimited' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand update" -l pids-limit -d 'most tasks; -1 is unlimited' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand update" -l l3-cache-schema -d 'Intel RDT schema of the L3 cache' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand update" -l mem-bw-schema -d 'Intel RDT schema of memory bandwidth' -r
complete -c lockstep-runc -n "__fish_lockstep_runc_using_subcommand update" -s h -l help -d 'print this help'
