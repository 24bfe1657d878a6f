//! Documents as real tools write them, and those that must be refused.

use super::*;

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn manifest(extra: &str) -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
        "config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:{HEX}","size":0}},
        "layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:{HEX}","size":7}}]{extra}}}"#
    )
}

#[test]
fn a_manifest_is_read() {
    let read = parse_manifest(manifest("").as_bytes()).expect("a manifest");
    assert_eq!(read.unknown, [""; 0]);
    assert_eq!(
        read.value.layers[0].media_type.layer(),
        Some(Compression::Gzip)
    );
    assert_eq!(read.value.config.digest.hex(), HEX);
}

#[test]
fn a_document_with_two_meanings_is_refused() {
    for extra in [r#","manifests":[]"#, r#","fsLayers":[]"#] {
        let error = parse_manifest(manifest(extra).as_bytes()).expect_err("two meanings");
        assert!(error.pointer.len() > 1, "{error}");
    }
    let index = format!(r#"{{"schemaVersion":2,"manifests":[],"config":{{}},"x":"{HEX}"}}"#);
    let error = parse_index(index.as_bytes()).expect_err("two meanings");
    assert_eq!(error.pointer, "/config");
    let wrong = manifest("").replace("image.manifest.v1+json", "image.index.v1+json");
    assert_eq!(
        parse_manifest(wrong.as_bytes()).expect_err("type").pointer,
        "/mediaType"
    );
}

#[test]
fn a_digest_is_an_algorithm_and_its_digits() {
    assert_eq!(
        format!("sha256:{HEX}")
            .parse::<Digest>()
            .expect("digest")
            .hex(),
        HEX
    );
    let upper = format!("sha256:{}", HEX.to_uppercase());
    let long = format!("sha256:{HEX}00");
    for wrong in [
        "",
        "sha256",
        "sha256:",
        "md5:00",
        "sha256:../../etc",
        &upper,
        &long,
        HEX,
    ] {
        wrong.parse::<Digest>().expect_err(wrong);
    }
    let text = manifest("").replacen(HEX, "../../../etc/passwd", 1);
    let error = parse_manifest(text.as_bytes()).expect_err("a path");
    assert_eq!(error.pointer, "/config/digest");
    let sum = [0xabu8; 64];
    let digest = Digest::from_bytes(Algorithm::Sha512, &sum);
    assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
}

#[test]
fn a_configuration_of_docker_is_read() {
    let text = format!(
        r#"{{"architecture":"amd64","os":"linux","docker_version":"20.10","config":{{"Env":["A=b"],"Cmd":null,
        "ExposedPorts":{{"80/tcp":{{}}}},"Volumes":null,"WorkingDir":"","Healthcheck":{{"Test":["CMD","x"],"Interval":5}},
        "OnBuild":null}},"rootfs":{{"type":"layers","diff_ids":["sha256:{HEX}"]}},"history":[{{"empty_layer":true}}]}}"#
    );
    let read = parse_config(text.as_bytes()).expect("a configuration");
    assert_eq!(read.unknown, ["/docker_version", "/config/OnBuild"]);
    assert_eq!(read.value.config.env, ["A=b"]);
    assert_eq!(read.value.config.working_dir, None);
    assert!(read.value.config.exposed_ports.contains_key("80/tcp"));
    assert!(read.value.history[0].empty_layer);
}

#[test]
fn lists_are_bounded() {
    let one = format!(
        r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:{HEX}","size":1}}"#
    );
    let many = vec![one; MAX_DESCRIPTORS + 1].join(",");
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{many}]}}"#);
    assert_eq!(
        parse_index(index.as_bytes()).expect_err("many").pointer,
        "/manifests"
    );
    let names = vec![r#""l""#; MAX_DESCRIPTORS + 1].join(",");
    let docker = format!(r#"[{{"Config":"c","Layers":[{names}]}}]"#);
    assert_eq!(
        parse_docker(docker.as_bytes()).expect_err("many").pointer,
        "/0/Layers"
    );
}

#[test]
fn a_layout_of_another_version_is_refused() {
    parse_layout(br#"{"imageLayoutVersion":"1.0.0"}"#).expect("a layout");
    let error = parse_layout(br#"{"imageLayoutVersion":"2.0.0"}"#).expect_err("version");
    assert_eq!(error.pointer, "/imageLayoutVersion");
}
