//! `ps`: the container's part of what ps(1) prints, or its process ids as JSON.

use lockstep_kernel::caller::{self, Output};

use crate::argv::Arguments;
use crate::failure::{Failure, words};
use crate::front::{self, Front};
use crate::{number, quote};

pub(super) fn ps(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let id = super::id(args)?;
    let pids = front.with_runtime(|runtime| runtime.processes(&id))?;
    match args.text("format").as_deref() {
        Some("table") => {}
        Some("json") => {
            front::print(&json(&pids))?;
            return Ok(0);
        }
        _ => return Err(Failure::new("invalid format option")),
    }
    let mut options = args.positionals()[1..].to_vec();
    if options.is_empty() {
        options.push("-ef".into());
    }
    let printed = caller::output("ps", &options).map_err(not_run)?;
    front::print(&of_container(&text(printed)?, &pids)?)?;
    Ok(0)
}

fn not_run(error: lockstep_kernel::Error) -> Failure {
    let why = match error.is(&[lockstep_abi::errno::Errno::ENOENT.0]) {
        true => "executable file not found in $PATH".to_owned(),
        false => format!("{error}: {}", words(error.errno)),
    };
    Failure::new(format!("exec: \"ps\": {why}")).with_detail(format!("call: {error}"))
}

/// Go's encoder writes a list that was never filled as null.
fn json(pids: &[i32]) -> String {
    if pids.is_empty() {
        return "null\n".to_owned();
    }
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    format!("[{}]\n", pids.join(","))
}

fn text(printed: Output) -> Result<String, Failure> {
    if printed.code != Some(0) {
        let how = match printed.code {
            Some(code) => format!("exit status {code}"),
            None => "killed".to_owned(),
        };
        let said = [printed.stdout, printed.stderr].concat();
        let said = quote::plain(&String::from_utf8_lossy(&said));
        return Err(Failure::new(format!("{how}: {said}")));
    }
    Ok(String::from_utf8_lossy(&printed.stdout).into_owned())
}

/// The title and the lines of the processes `pids`.
fn of_container(table: &str, pids: &[i32]) -> Result<String, Failure> {
    let mut lines = table.lines();
    let title = lines.next().unwrap_or_default();
    let column = title
        .split_whitespace()
        .position(|name| name == "PID")
        .ok_or_else(|| Failure::new("couldn't find PID field in ps output"))?;
    let mut out = format!("{title}\n");
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let field = line.split_whitespace().nth(column).unwrap_or_default();
        let pid: i32 = number::decimal(field, "Atoi")
            .map_err(|why| Failure::new(format!("unable to parse pid: {why}")))?;
        if pids.contains(&pid) {
            // A process names itself: ps escapes by locale, this by what a terminal obeys.
            out.push_str(&quote::plain(line));
            out.push('\n');
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "UID        PID  PPID CMD\nroot         1     0 init\nroot        77     1 sh\n";

    #[test]
    fn only_the_containers_lines_stay() {
        let text = of_container(TABLE, &[77]).expect("a table");
        assert_eq!(text, "UID        PID  PPID CMD\nroot        77     1 sh\n");
        let text = of_container(TABLE, &[7]).expect("a table");
        assert_eq!(text, "UID        PID  PPID CMD\n");
    }

    #[test]
    fn a_table_without_pids_is_refused() {
        let failure = of_container("CMD\nsh\n", &[1]).expect_err("no column");
        assert_eq!(failure.text, "couldn't find PID field in ps output");
        let failure = of_container("PID\nx\n", &[1]).expect_err("not a number");
        assert!(
            failure.text.starts_with("unable to parse pid: "),
            "{}",
            failure.text
        );
    }

    #[test]
    fn a_failing_ps_is_reported_in_one_line() {
        let printed = caller::output("ps", &["-o".into(), "nonsense".into()]).expect("ps runs");
        let failure = text(printed).expect_err("an unknown column");
        assert!(
            failure
                .text
                .starts_with("exit status 1: error: unknown user-defined"),
            "{}",
            failure.text
        );
        assert_eq!(failure.text.lines().count(), 1);
    }

    #[test]
    fn ids_are_a_json_array() {
        assert_eq!(json(&[1, 22]), "[1,22]\n");
        assert_eq!(json(&[]), "null\n");
    }
}
