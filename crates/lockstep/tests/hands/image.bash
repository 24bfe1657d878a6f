# The images of the exercise, below the directory $1: rootfs/, img.tar and app.tar (docker-archives), oci.tar.
set -eu
out=$1
mkdir -p "$out/rootfs" && cd "$out/rootfs"
mkdir -p bin dev etc home/app mnt opt proc root run srv sys tmp var/tmp usr/bin
chmod 1777 tmp var/tmp
cp /bin/busybox bin/busybox
for applet in $(bin/busybox --list); do
    [ "$applet" = busybox ] || ln -s busybox "bin/$applet"
done
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\napp:x:1000:1000:app:/home/app:/bin/sh\n' >etc/passwd
printf 'root:x:0:\naudio:x:29:app\nnogroup:x:65534:\napp:x:1000:\n' >etc/group
echo '<h1>hands</h1>' >srv/index.html
chown 1000:1000 home/app
tar --numeric-owner --sort=name --mtime=@0 -cf "$out/layer.tar" .

# archive NAME TAG CONFIG: the layer under a configuration, in the form of `docker save`.
archive() {
    local work="$out/work-$1" layer
    layer=$(sha256sum <"$out/layer.tar" | cut -d' ' -f1)
    mkdir "$work" && ln "$out/layer.tar" "$work/layer.tar"
    printf '{"architecture":"amd64","os":"linux","created":"2024-01-02T03:04:05Z","config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created":"2024-01-02T03:04:05Z","created_by":"hands made this"}]}' \
        "$3" "$layer" >"$work/config.json"
    mv "$work/config.json" "$work/$(sha256sum <"$work/config.json" | cut -d' ' -f1).json"
    printf '[{"Config":"%s","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$(cd "$work" && echo *.json)" "$2" >"$work/manifest.json"
    tar -C "$work" -cf "$out/$1.tar" manifest.json layer.tar "$(cd "$work" && ls | grep -E '^[0-9a-f]{64}\.json$')"
    rm -r "$work"
}

path='"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"'
archive img hands:1 "{\"Env\":[$path,\"HANDS=yes\"],\"Cmd\":[\"sh\"]}"
archive app hands-app:1 "{\"Env\":[$path,\"APP_MODE=image\"],\"Entrypoint\":[\"/bin/echo\",\"entry\"],\"Cmd\":[\"command\"],\"User\":\"app\",\"WorkingDir\":\"/srv\",\"Labels\":{\"maker\":\"hands\"},\"Volumes\":{\"/var/tmp\":{}},\"StopSignal\":\"SIGINT\"}"
rm "$out/layer.tar"
skopeo copy --quiet --insecure-policy "docker-archive:$out/img.tar" "oci-archive:$out/oci.tar:hands-oci:1"
