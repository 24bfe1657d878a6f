//! SELinux labels of the root file system, set where no SELinux runs.
//!
//! setfiles does nothing on a file system that the kernel does not call labelled, so the policy is asked for each
//! label and the attribute is set as any other.

use std::path::Path;

use super::image::inside;
use crate::Failure;

const SCRIPT: &str = r#"
find / -xdev -path /proc -prune -o -print0 | xargs -0 -n 2000 matchpathcon > /labels 2>/dev/null || true
# PATH<TAB>CONTEXT becomes what setfattr restores; it reads a backslash as the beginning of an octal number.
sed -n -e '/<<none>>$/d' -e 's/\\/\\134/g' -e 's/^\(.*\)\t\([^\t]*\)$/# file: \1\nsecurity.selinux="\2"\n/p' /labels > /restore
setfattr -h --restore=/restore
wc -l < /labels
rm /labels /restore
"#;

/// Labels every file as the policy in the root says.
pub(crate) fn label(root: &Path) -> Result<(), Failure> {
    let said = inside(root, SCRIPT)?;
    let files: usize = said.trim().parse().unwrap_or(0);
    // The policy knows each file of the packages: a handful means that it was not read.
    if files < 1000 {
        return Err(Failure::new(format!(
            "SELinux labels: only {files} files were labelled"
        )));
    }
    Ok(())
}
