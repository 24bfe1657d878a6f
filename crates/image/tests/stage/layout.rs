//! Writes layouts and archives of images, honest or not.

#![allow(dead_code, reason = "each test program uses another part of it")]

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// `sha256:...` of bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let sum = Sha256::digest(bytes);
    let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).expect("compression");
    out.finish().expect("compression")
}

/// An image that is being written.
pub(crate) struct Layout {
    /// Files of the layout.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) layers: Vec<Value>,
    pub(crate) diff_ids: Vec<String>,
    pub(crate) name: Option<String>,
}

const OCI: &str = "application/vnd.oci.image.";

impl Layout {
    pub(crate) fn new() -> Layout {
        let mut files = BTreeMap::new();
        files.insert(
            "oci-layout".into(),
            br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
        );
        Layout {
            files,
            layers: Vec::new(),
            diff_ids: Vec::new(),
            name: None,
        }
    }

    pub(crate) fn blob(&mut self, bytes: &[u8]) -> String {
        let digest = digest(bytes);
        self.files.insert(path(&digest), bytes.to_vec());
        digest
    }

    /// A layer compressed with gzip.
    pub(crate) fn layer(self, tar: &[u8]) -> Layout {
        self.compressed(tar, gzip(tar), "layer.v1.tar+gzip")
    }

    /// A layer in any form.
    pub(crate) fn compressed(mut self, tar: &[u8], blob: Vec<u8>, kind: &str) -> Layout {
        let named = self.blob(&blob);
        self.layers.push(json!({
            "mediaType": format!("{OCI}{kind}"), "digest": named, "size": blob.len()
        }));
        self.diff_ids.push(digest(tar));
        self
    }

    pub(crate) fn named(mut self, name: &str) -> Layout {
        self.name = Some(name.to_owned());
        self
    }

    pub(crate) fn config(&self) -> Value {
        json!({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["true"], "Env": ["A=b"]},
            "rootfs": {"type": "layers", "diff_ids": self.diff_ids},
            "history": [{"created_by": "a test"}]})
    }

    /// Adds configuration, manifest and index, each after a change.
    pub(crate) fn finish(
        mut self,
        change_config: impl FnOnce(&mut Value),
        change_manifest: impl FnOnce(&mut Value),
    ) -> Layout {
        let mut config = self.config();
        change_config(&mut config);
        let text = config.to_string().into_bytes();
        let named = self.blob(&text);
        let mut manifest = json!({"schemaVersion": 2, "mediaType": format!("{OCI}manifest.v1+json"),
            "config": {"mediaType": format!("{OCI}config.v1+json"), "digest": named, "size": text.len()},
            "layers": self.layers});
        change_manifest(&mut manifest);
        let text = manifest.to_string().into_bytes();
        let named = self.blob(&text);
        let mut descriptor = json!({"mediaType": format!("{OCI}manifest.v1+json"), "digest": named,
            "size": text.len()});
        if let Some(name) = &self.name {
            descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        }
        let index = json!({"schemaVersion": 2, "manifests": [descriptor]});
        self.files
            .insert("index.json".into(), index.to_string().into_bytes());
        self
    }

    /// As it should be.
    pub(crate) fn honest(self) -> Layout {
        self.finish(|_| {}, |_| {})
    }

    pub(crate) fn write(&self, dir: &Path) {
        for (name, bytes) in &self.files {
            let path = dir.join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, bytes).expect("a file");
        }
    }

    /// As an archive, members in the order of their names: blobs before the index.
    pub(crate) fn archive(&self) -> Vec<u8> {
        let mut tar = super::tar_file::Tar::new();
        for (name, bytes) in &self.files {
            tar = member(tar, name, bytes);
        }
        tar.end()
    }
}

/// One file of an archive.
pub(crate) fn member(tar: super::tar_file::Tar, name: &str, bytes: &[u8]) -> super::tar_file::Tar {
    let header = super::tar_file::Header {
        name: name.as_bytes(),
        size: bytes.len() as u64,
        ..Default::default()
    };
    tar.entry(&header, bytes)
}

/// Where a blob lies in a layout.
pub(crate) fn path(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}
