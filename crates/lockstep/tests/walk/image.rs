//! A small image, as archives of both kinds.

use std::path::Path;
use std::process::Command;

use crate::stage::Stage;

/// Of busybox, called walk:1.
pub(crate) fn archives(t: &Stage) {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"];
    let busybox = busybox.into_iter().find(|path| Path::new(path).exists());
    t.need(busybox.is_some(), "no busybox (busybox-static)");
    t.need(Path::new("/usr/bin/skopeo").exists(), "no skopeo(1)");
    let script = r#"set -e; cd "$1"; mkdir -p root/bin root/d; cp "$2" root/bin/busybox
        for name in sh true echo sleep; do ln -s busybox root/bin/$name; done; ln root/bin/busybox root/d/hard
        tar -C root -cf layer.tar bin d; mkdir more; echo more > more/f; echo 1 > more/.wh.d; tar -C more -cf more.tar .
        sum() { sha256sum < $1 | cut -d' ' -f1; }
        printf '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s","sha256:%s"]}}' $(sum layer.tar) $(sum more.tar) > c.json
        printf '[{"Config":"c.json","RepoTags":["walk:1"],"Layers":["layer.tar","more.tar"]}]' > manifest.json
        tar -cf image.tar c.json manifest.json layer.tar more.tar
        skopeo copy -q docker-archive:image.tar oci-archive:image.oci:walk:1; chmod a+r image.tar image.oci"#;
    let mut made = Command::new("sh");
    made.args(["-c", script, "sh"]).arg(&t.dir);
    let made = made.arg(busybox.expect("found")).output().expect("sh");
    assert!(made.status.success(), "{made:?}");
}
