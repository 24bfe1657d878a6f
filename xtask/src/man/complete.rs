//! Shell completions: clap's, and what it does not know: which containers there are.

use clap::Command;
use clap_complete::Shell;

use super::command::{self, CONTAINER};
use super::{lockstep, lockstep_runc};

/// Each program's completions for each shell.
pub(super) fn all() -> Vec<(&'static str, Shell, String)> {
    let mut all = Vec::new();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        all.push((lockstep::NAME, shell, people(shell)));
        let runc = command::typed(
            &lockstep_runc::PROGRAM,
            lockstep_runc::VERBS,
            (&[], false),
            Some('h'),
        );
        all.push((lockstep_runc::NAME, shell, text(shell, runc)));
    }
    all
}

fn text(shell: Shell, mut command: Command) -> String {
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// Those of the people's tool, with its containers.
fn people(shell: Shell) -> String {
    let operands = shell == Shell::Zsh;
    let groups = (&lockstep::GROUPS[..], operands);
    let made = text(
        shell,
        command::typed(&lockstep::PROGRAM, lockstep::VERBS, groups, None),
    );
    let verbs = lockstep::VERBS
        .iter()
        .filter(|verb| command::on_containers(verb));
    let names: Vec<&str> = verbs
        .flat_map(|verb| std::iter::once(verb.name).chain(verb.aliases.iter().copied()))
        .map(|name| {
            name.trim_start_matches("container-")
                .trim_end_matches("-run")
        })
        .collect();
    let others: Vec<&str> = lockstep::GROUPS.iter().map(|(group, _)| *group).collect();
    let others = others
        .into_iter()
        .filter(|group| !["container", "healthcheck"].contains(group));
    let others: Vec<&str> = others.collect();
    match shell {
        Shell::Bash => {
            made + &BASH
                .replace("LIST", LIST)
                .replace("OTHERS", &others.join("|"))
                .replace("VERBS", &names.join("|"))
        }
        Shell::Fish => {
            let seen = |names: &[&str]| format!("__fish_seen_subcommand_from {}", names.join(" "));
            let condition = format!("{}; and not {}", seen(&names), seen(&others));
            format!("{made}complete -c lockstep -n \"{condition}\" -f -a \"({LIST})\"\n")
        }
        _ => {
            let (word, completer) = (format!("{CONTAINER}:_default"), "_lockstep_containers");
            let made = made.replace(&word, &format!("{CONTAINER}:{completer}"));
            let names = format!("{completer}() {{\n    compadd -- ${{(f)\"$({LIST})\"}}\n}}\n\n");
            // Behind the line that names the command.
            made.replacen(
                "autoload -U is-at-least\n",
                &format!("autoload -U is-at-least\n\n{names}"),
                1,
            )
        }
    }
}

/// Prints the names of all containers.
const LIST: &str = "lockstep ps -a --format '{{.Names}}' 2>/dev/null";

/// Names behind the verbs that take some, beside what was found.
const BASH: &str = r#"
_lockstep_containers() {
    _lockstep "$@"
    local word cur="${COMP_WORDS[COMP_CWORD]}"
    [[ "${cur}" == -* ]] && return 0
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "${word}" in
            OTHERS)
                return 0
                ;;
            VERBS)
                COMPREPLY+=( $(compgen -W "$(LIST)" -- "${cur}") )
                return 0
                ;;
        esac
    done
    return 0
}
complete -F _lockstep_containers -o bashdefault -o default lockstep
"#;

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    /// What bash offers for the last of some words, where there is a container called `web`.
    fn offered(words: &[&str]) -> Vec<String> {
        let script = format!(
            "lockstep() {{ echo web; }}\n{}\nCOMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
             _lockstep_containers \"$1\" \"${{@: -1}}\" \"${{@: -2:1}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            people(Shell::Bash)
        );
        // By the input: it is longer than a word of a command line may be.
        let mut bash = Command::new("bash");
        bash.arg("-s")
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut bash = bash.spawn().expect("bash runs");
        let mut input = bash.stdin.take().expect("a pipe");
        input.write_all(script.as_bytes()).expect("it is read");
        drop(input);
        let done = bash.wait_with_output().expect("bash ends");
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_group_has_its_own_verbs() {
        assert_eq!(offered(&["lockstep", "volume", "c"]), ["create"]);
        assert!(offered(&["lockstep", "container", "pr"]).contains(&"prune".to_owned()));
        let top = offered(&["lockstep", "container-"]);
        assert!(
            top.iter().all(|word| !word.starts_with("container-")),
            "{top:?}"
        );
    }

    #[test]
    fn nothing_refused_is_offered() {
        let options = offered(&["lockstep", "run", "--p"]);
        let has = |option: &str| options.iter().any(|one| one == option);
        assert!(has("--privileged") && !has("--publish"), "{options:?}");
        for shell in [Shell::Zsh, Shell::Fish] {
            let text = people(shell);
            assert!(
                text.contains("privileged") && !text.contains("publish-all"),
                "{shell}"
            );
        }
    }

    #[test]
    fn containers_are_offered_where_they_are_named() {
        assert_eq!(offered(&["lockstep", "stop", "w"]), ["web"]);
        assert_eq!(offered(&["lockstep", "container", "rm", "w"]), ["web"]);
        for words in [
            &["lockstep", "images", "w"][..],
            &["lockstep", "volume", "inspect", "w"],
        ] {
            assert!(!offered(words).contains(&"web".to_owned()), "{words:?}");
        }
        assert!(people(Shell::Zsh).contains("CONTAINER:_lockstep_containers"));
    }
}
