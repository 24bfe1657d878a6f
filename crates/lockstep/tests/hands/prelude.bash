# One case of hands/*.sh, run against one engine.
#
# A case is a section `## name` of four functions, of which only `hand` must be there:
#   setup     brings the engine to where the line is typed; its output is not compared
#   hand      the line as people type it, with the engine's command in $E
#   after     looks at what the line left behind
#   filter    keeps of the standard output of hand and after what is compared (default: all)
#   teardown  removes what `rm -f $N` does not
# `# as: docker` or `# as: podman` says that only that engine has the line.
#
# The answer is the filtered output, with ids, digests and dates replaced, and the exit code of hand. Messages on
# standard error are words of each engine and not compared. Not compared either: the registry in front of a local
# image's name, in which docker and podman differ, and docker's complaint about this daemon's missing network.
#
# From the runner: E (the engine's command), RM (its way to remove without waiting), IMG and APP (images: a bare one, and
# one with entrypoint, user, directory and labels), APP_ARCHIVE and OCI_ARCHIVE (docker-archive of APP, oci-archive tagged
# hands-oci:1), ROOTFS (the unpacked tree), W (an empty directory), N (a name for the container).

setup() { :; }
after() { :; }
filter() { cat; }
teardown() { :; }

up() { $E run -d --name $N$1 $IMG sleep 1000; }

wait_log() {
    for _ in $(seq 100); do
        $E logs $N 2>/dev/null | grep -q "$1" && return
        sleep 0.1
    done
}

neutral() {
    sed -E -e 's/sha256:[0-9a-f]{64}/<digest>/g' -e 's/\b[0-9a-f]{64}\b/<id>/g' -e 's/\b[0-9a-f]{12}\b/<short id>/g' \
        -e 's,\b(localhost|docker\.io/library)/,,g' -e '/IPv4 forwarding is disabled/d' \
        -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)/<date>/g'
}

answer() {
    local code
    trap '{ teardown; $RM $N; } >/dev/null 2>&1' EXIT
    setup >"$W/.setup" 2>&1
    hand >"$W/.out" 2>"$W/.err" </dev/null
    code=$?
    after >>"$W/.out" 2>>"$W/.err" </dev/null
    neutral <"$W/.out" | filter
    echo "exit $code"
}
