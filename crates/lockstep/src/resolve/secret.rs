//! `--secret`: which values a container gets, and where.

use lockstep_supervisor::SecretPlace;

use super::{Input, Resolved, wrong};
use crate::failure::Failure;
use crate::secret::Wanted;
use crate::why::Origin;

const TAKES: &str = "NAME[,type=mount|env,target=TARGET,uid=UID,gid=GID,mode=OCTAL]";
/// Podman's.
const MODE: u32 = 0o444;

pub(super) fn apply(input: &Input<'_>, out: &mut Resolved) -> Result<(), Failure> {
    for text in input.args.texts("secret")? {
        let wanted = parse(text).ok_or_else(|| wrong("secret", text, TAKES))?;
        out.note("secret", text, Origin::Flag, "--secret");
        out.secrets.push(wanted);
    }
    Ok(())
}

fn parse(text: &str) -> Option<Wanted> {
    let mut fields = text.split(',');
    let first = fields.next()?;
    let typed = first.strip_prefix("source=").unwrap_or(first);
    let (mut kind, mut target) = ("mount", "");
    let (mut mode, mut uid, mut gid) = (None, None, None);
    for field in fields {
        let (name, value) = field.split_once('=')?;
        match name {
            "type" => kind = value,
            "target" => target = value,
            "mode" => {
                mode = Some(
                    u32::from_str_radix(value, 8)
                        .ok()
                        .filter(|mode| *mode <= 0o7777)?,
                )
            }
            "uid" => uid = Some(super::user::id(value)?),
            "gid" => gid = Some(super::user::id(value)?),
            _ => return None,
        }
    }
    let place = match kind {
        "mount" => SecretPlace::File {
            target: target.to_owned(),
            mode: mode.unwrap_or(MODE),
            uid: uid.unwrap_or(0),
            gid: gid.unwrap_or(0),
        },
        // An owner and a mode are a file's.
        "env" if (mode, uid, gid) == (None, None, None) && !target.contains(['=', '\0']) => {
            SecretPlace::Variable(target.to_owned())
        }
        _ => return None,
    };
    (!typed.is_empty()).then(|| Wanted {
        typed: typed.to_owned(),
        place,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_podman_s() {
        let place = |text: &str| parse(text).map(|wanted| wanted.place);
        let file = |target: &str, mode, uid, gid| {
            let target = target.to_owned();
            Some(SecretPlace::File {
                target,
                mode,
                uid,
                gid,
            })
        };
        assert_eq!(place("key"), file("", 0o444, 0, 0));
        assert_eq!(
            place("key,target=/etc/key,mode=0400,uid=5,gid=6"),
            file("/etc/key", 0o400, 5, 6)
        );
        assert_eq!(
            place("source=key,type=env,target=KEY"),
            Some(SecretPlace::Variable("KEY".into()))
        );
        for wrong in [
            "",
            ",type=env",
            "key,type=env,mode=400",
            "key,mode=9",
            "key,colour=red",
            "key,type=x",
            "key,uid=4294967295",
            "key,gid=4294967295",
            "key,type=env,target=A=B",
        ] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
