//! `update`: new resource limits, from options or as the specification's JSON.

use std::path::Path;
use std::str::FromStr;

use lockstep_kernel::file;
use lockstep_oci::runtime::{BlockIo, Cpu, Memory, Pids, Resources};

use crate::argv::Arguments;
use crate::failure::Failure;
use crate::front::Front;
use crate::number;
use lockstep_runtime::RdtUpdate;

/// Most bytes of a resources file.
const LIMIT: usize = 16 << 20;

pub(super) fn update(front: &Front, args: &Arguments) -> Result<u8, Failure> {
    let id = super::id(args)?;
    let source = args.path("resources");
    let resources = match &source {
        Some(source) => parse(&read(source)?)?,
        None => {
            for name in ["kernel-memory", "kernel-memory-tcp"] {
                if args.text(name).is_some() {
                    let text = format!("option --{name} is ignored: the kernel has no such limit");
                    front.log.warning(&text);
                }
            }
            from_options(args)?
        }
    };
    let rdt = RdtUpdate {
        l3_cache_schema: args.text("l3-cache-schema"),
        mem_bw_schema: args.text("mem-bw-schema"),
    };
    let document = match &source {
        Some(path) if path.as_os_str() == "-" => "standard input".to_owned(),
        Some(path) => path.display().to_string(),
        None => "the options".to_owned(),
    };
    front.with_runtime(|runtime| runtime.update(&id, &resources, &document, &rdt))?;
    Ok(0)
}

fn read(source: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = match source.as_os_str() == "-" {
        true => file::read_fd(std::io::stdin(), LIMIT),
        false => file::read(file::CWD, source, LIMIT),
    };
    bytes.map_err(|error| Failure::path("open", source, &error))
}

fn parse(bytes: &[u8]) -> Result<Resources, Failure> {
    serde_json::from_slice(bytes).map_err(|error| match error.is_eof() {
        true => Failure::new("unexpected EOF"),
        false => Failure::new(format!("json: {error}")),
    })
}

fn from_options(args: &Arguments) -> Result<Resources, Failure> {
    let options = Options(args);
    let cpu = Cpu {
        shares: options.number("cpu-share", "ParseUint")?,
        quota: options.number("cpu-quota", "ParseInt")?,
        burst: options.number("cpu-burst", "ParseUint")?,
        period: options.number("cpu-period", "ParseUint")?,
        realtime_runtime: options.number("cpu-rt-runtime", "ParseInt")?,
        realtime_period: options.number("cpu-rt-period", "ParseUint")?,
        cpus: args.text("cpuset-cpus"),
        mems: args.text("cpuset-mems"),
        idle: options.number("cpu-idle", "ParseInt")?,
    };
    let memory = Memory {
        limit: options.size("memory")?,
        reservation: options.size("memory-reservation")?,
        swap: options.size("memory-swap")?,
        ..Memory::default()
    };
    // Zero is runc's default of both options and changes nothing.
    let limit: Option<i64> = args.number("pids-limit");
    let limit = limit.filter(|limit| *limit != 0);
    let weight: Option<u16> = args.number("blkio-weight");
    let weight = weight.filter(|weight| *weight != 0);
    Ok(Resources {
        cpu: Some(cpu).filter(|cpu| *cpu != Cpu::default()),
        memory: Some(memory).filter(|memory| *memory != Memory::default()),
        pids: limit.map(|limit| Pids { limit: Some(limit) }),
        block_io: weight.map(|weight| BlockIo {
            weight: Some(weight),
            ..BlockIo::default()
        }),
        ..Resources::default()
    })
}

struct Options<'a>(&'a Arguments);

impl Options<'_> {
    fn number<T: FromStr>(&self, name: &str, function: &str) -> Result<Option<T>, Failure> {
        let parse = |text: String| {
            number::decimal(&text, function)
                .map_err(|why| Failure::new(format!("invalid value for {name}: {why}")))
        };
        self.0.text(name).map(parse).transpose()
    }

    fn size(&self, name: &str) -> Result<Option<i64>, Failure> {
        let parse = |text: String| match text.as_str() {
            "-1" => Ok(-1),
            text => number::size(text)
                .map_err(|why| Failure::new(format!("invalid value for {name}: {why}"))),
        };
        self.0.text(name).map(parse).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{argv, cli};

    fn resources(args: &[&str]) -> Result<Resources, Failure> {
        let args = [&["id"], args].concat();
        let verb = cli::find("update").expect("a verb");
        let args: Vec<_> = args.iter().map(std::ffi::OsString::from).collect();
        from_options(&argv::parse(verb, &args, "runc").expect("parsed"))
    }

    #[test]
    fn options_become_resources() {
        let found = resources(&[
            "--memory",
            "10M",
            "--memory-swap",
            "-1",
            "--cpu-quota=-1",
            "--cpuset-cpus",
            "0-1",
        ]);
        let found = found.expect("resources");
        let memory = found.memory.expect("memory");
        assert_eq!((memory.limit, memory.swap), (Some(10 << 20), Some(-1)));
        let cpu = found.cpu.expect("cpu");
        assert_eq!((cpu.quota, cpu.cpus.as_deref()), (Some(-1), Some("0-1")));
        assert_eq!((found.pids, found.block_io), (None, None));
        assert_eq!(resources(&["--pids-limit", "0"]), Ok(Resources::default()));
        let pids = resources(&["--pids-limit", "-1"]).expect("resources").pids;
        assert_eq!(pids.and_then(|pids| pids.limit), Some(-1));
    }

    #[test]
    fn mistakes_are_worded_as_runc_words_them() {
        let text = |args: &[&str]| resources(args).expect_err("a mistake").text;
        assert_eq!(
            text(&["--memory", "xx"]),
            "invalid value for memory: invalid size: 'xx'"
        );
        assert_eq!(
            text(&["--cpu-period", "x"]),
            "invalid value for cpu-period: strconv.ParseUint: parsing \"x\": invalid syntax"
        );
        assert!(resources(&["--cpu-share", "-5"]).is_err());
    }

    #[test]
    fn json_mistakes_name_the_place() {
        assert_eq!(parse(b"{").expect_err("cut off").text, "unexpected EOF");
        let wrong = parse(br#"{"memory":{"limit":"x"}}"#).expect_err("a string");
        assert!(
            wrong.text.starts_with("json: invalid type: string"),
            "{}",
            wrong.text
        );
    }
}
