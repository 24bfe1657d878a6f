//! Podman's default profile as `linux.seccomp`, as an engine would write it.
//!
//! Podman and Docker keep conditions on capabilities, architecture and kernel in their profile
//! and resolve them for each container; a runtime sees only the result. Podman's stands for both: Docker's
//! is inside dockerd and no file of a package, and Podman's, which has grown out of it, has more rules.

use serde_json::{Value, json};

use crate::Failure;

/// Where the package golang-github-containers-common puts it.
pub(crate) const PROFILE: &str = "/usr/share/containers/seccomp.json";

/// Resolves `profile` for x86-64, a kernel newer than all its conditions, and `caps`.
pub(crate) fn resolve(profile: &Value, caps: &[&str]) -> Result<Value, Failure> {
    let rules = profile["syscalls"]
        .as_array()
        .ok_or(Failure::new("no syscalls in the profile"))?;
    let mut kept = Vec::new();
    for rule in rules.iter().filter(|rule| applies(rule, caps)) {
        let mut out = json!({ "names": rule["names"], "action": rule["action"] });
        if rule["errnoRet"].is_u64() {
            out["errnoRet"] = rule["errnoRet"].clone();
        }
        if rule["args"].as_array().is_some_and(|args| !args.is_empty()) {
            out["args"] = rule["args"].clone();
        }
        kept.push(out);
    }
    let mut seccomp = json!({
        "defaultAction": profile["defaultAction"],
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": kept,
    });
    if profile["defaultErrnoRet"].is_u64() {
        seccomp["defaultErrnoRet"] = profile["defaultErrnoRet"].clone();
    }
    Ok(seccomp)
}

fn applies(rule: &Value, caps: &[&str]) -> bool {
    let has = |list: &Value, word: &str| {
        list.as_array()
            .is_some_and(|list| list.iter().any(|item| item == word))
    };
    let any_cap = |list: &Value| caps.iter().any(|cap| has(list, cap));
    let all_caps = |list: &Value| {
        let list = list.as_array().map_or(&[][..], Vec::as_slice);
        list.iter().all(|item| caps.iter().any(|cap| item == cap))
    };
    let (includes, excludes) = (&rule["includes"], &rule["excludes"]);
    let arch = includes["arches"].is_null() || has(&includes["arches"], "amd64");
    arch && all_caps(&includes["caps"])
        && !any_cap(&excludes["caps"])
        && !has(&excludes["arches"], "amd64")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_resolved() {
        let profile = json!({
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
            "syscalls": [
                { "names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [], "comment": "" },
                { "names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": { "caps": ["CAP_SYS_ADMIN"] } },
                { "names": ["kill"], "action": "SCMP_ACT_ALLOW", "includes": { "caps": ["CAP_KILL"] } },
                { "names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "excludes": { "caps": ["CAP_KILL"] } },
                { "names": ["s390"], "action": "SCMP_ACT_ALLOW", "includes": { "arches": ["s390x"] } },
                { "names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22,
                  "args": [{ "index": 0, "value": 16, "valueTwo": 0, "op": "SCMP_CMP_EQ" }],
                  "excludes": { "arches": ["arm"] } }
            ]
        });
        let seccomp = resolve(&profile, &["CAP_KILL"])
            .map_err(|f| f.to_string())
            .expect("a profile");
        let names: Vec<_> = seccomp["syscalls"]
            .as_array()
            .expect("rules")
            .iter()
            .map(|r| r["names"][0].clone())
            .collect();
        assert_eq!(names, ["read", "kill", "socket"]);
        assert_eq!(seccomp["defaultErrnoRet"], 38);
        assert_eq!(seccomp["syscalls"][2]["args"][0]["value"], 16);
        assert!(seccomp["syscalls"][0].get("args").is_none());
    }
}
