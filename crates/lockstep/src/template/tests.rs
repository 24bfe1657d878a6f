//! What templates give, what is none, and their bounds.

use serde_json::{Value, json};

use super::*;

fn value() -> Value {
    json!({
        "State": {"Status": "running", "Pid": 7, "Running": true, "Error": ""},
        "Name": "a\u{1b}b",
        "Config": {
            "Cmd": ["sleep", "5"], "Env": ["A=1", "B=2"], "Entrypoint": null,
            "Labels": {"tier": "web", "b": "", "Team": "x"}, "CpuShares": 300,
        },
        "Mounts": [{"Source": "/a", "RW": true}, {"Source": "/b", "RW": false}],
    })
}

#[track_caller]
fn gives(template: &str, expected: &str) {
    let text = Template::parse(template).and_then(|t| t.render(&value()));
    assert_eq!(text.as_deref(), Ok(expected), "{template}");
}

#[track_caller]
fn fails(template: &str, part: &str) {
    let error = Template::parse(template).and_then(|t| t.render(&value()));
    let error = error.expect_err(template);
    assert!(error.message.contains(part), "{template}: {error:?}");
}

#[test]
fn fields_are_found_by_their_names() {
    gives("{{.State.Status}}/{{ .State.Pid }}", "running/7");
    gives(
        "{{json .State.Pid}}{{ json .Config.Cmd }}",
        r#"7["sleep","5"]"#,
    );
    gives(
        "{{.Config.Cmd}} {{.Config.Labels}}",
        "[sleep 5] map[Team:x b: tier:web]",
    );
    gives("{{.Config.CPUShares}}", "300");
    gives(
        "{{.Config.Labels.tier}} {{.Config.Labels.nothing}}",
        "web <no value>",
    );
    gives("{{$.State.Pid}} {{(index .Mounts 1).Source}}", "7 /b");
    fails("{{.Nothing}}", "there is no \"Nothing\" here");
    fails("{{.State.Status.More}}", "there is no \"More\" in running");
}

#[test]
fn blocks_choose_and_repeat() {
    gives("{{range .Config.Env}}{{println .}}{{end}}", "A=1\nB=2\n");
    gives(
        "{{range .Mounts}}{{.Source}} {{.RW}};{{end}}",
        "/a true;/b false;",
    );
    gives(
        "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}},{{end}}",
        "Team=x,b=,tier=web,",
    );
    gives(
        "{{range $i, $e := .Config.Env}}{{if $i}}, {{end}}{{$e}}{{end}}",
        "A=1, B=2",
    );
    gives("{{range .Config.Entrypoint}}x{{else}}none{{end}}", "none");
    gives(
        "{{range .Config.Env}}{{break}}{{end}}{{range .Config.Env}}a{{continue}}b{{end}}",
        "aa",
    );
    gives("{{if .State.Running}}up{{else}}down{{end}}", "up");
    gives(
        "{{if .State.Error}}1{{else if eq .State.Pid 7}}2{{else}}3{{end}}",
        "2",
    );
    gives(
        "{{with .Config}}{{index .Cmd 0}} {{$.State.Pid}}{{end}}",
        "sleep 7",
    );
    gives("{{with .State.Error}}x{{else}}fine{{end}}", "fine");
    gives("{{$x := 1}}{{range .Mounts}}{{$x = 2}}{{end}}{{$x}}", "2");
    gives("a {{- /* nothing */ -}} b{{\"\" -}}  c", "abc");
}

#[test]
fn functions_are_those_of_docker_and_podman() {
    gives(
        r#"{{join .Config.Cmd "-"}} {{.State.Status | upper | lower | title}}"#,
        "sleep-5 Running",
    );
    gives(
        r#"{{index .Config.Labels "tier"}}[{{index .Config.Labels "none"}}]"#,
        "web[]",
    );
    gives(
        "{{len .Config.Env}} {{len .Config.Labels}} {{len .State.Status}}",
        "2 3 7",
    );
    gives(
        r#"{{eq .State.Status "x" "running"}} {{ne 1 2}} {{lt 1 2}} {{ge 1 2}}"#,
        "true true true false",
    );
    gives(
        "{{and .State.Running .State.Pid}} {{or .State.Error 3}} {{not 0}}",
        "7 3 true",
    );
    gives("{{or .State.Running .Nothing}}", "true");
    gives(
        r#"{{printf "%s|%5d|%-4v|%04d|%q|%.2f|%x%%" "a" 7 true 42 "q\"" 1.5 255}}"#,
        r#"a|    7|true|0042|"q\""|1.50|ff%"#,
    );
    gives(
        r#"{{range split "a:b" ":"}}<{{.}}>{{end}} {{slice "abcdef" 1 3}}"#,
        "<a><b> bc",
    );
    gives(
        r#"{{truncate "abcdef" 3}}{{pad "x" 1 2}}|{{print 1 2 "a" 3}}"#,
        "abc x  |1 2a3",
    );
    gives("{{(printf `%s` .State.Status) | len}}", "7");
    fails("{{frobnicate .}}", "there is no function \"frobnicate\"");
    fails(r#"{{eq .State.Pid "7"}}"#, "two kinds");
    fails(r#"{{index .Config.Cmd 9}}"#, "there is no 9");
    fails(
        r#"{{printf "%d" .State.Status}}"#,
        "%d does not write running",
    );
    fails("{{len}}", "0 arguments");
}

#[test]
fn a_table_has_headings() {
    let headings = |text: &str| Template::parse(text).map(|t| t.headings());
    assert_eq!(
        headings("{{.Names}}\t{{.CreatedAt | upper}}\t{{json .ID}}{{if 1}}x{{end}}"),
        Ok("NAMES\tCREATED AT\tID".into())
    );
    assert_eq!(
        headings(r#"{{.Label "org.example.since-when"}}"#),
        Ok("since when".into())
    );
}

#[test]
fn what_is_no_template_is_an_error_that_says_where() {
    for (template, part) in [
        ("{{.A", "{{ without }}"),
        ("{{range .}}", "without {{end}}"),
        ("{{if .A}}{{else}}{{else}}{{end}}", "without {{end}}"),
        ("{{end}}", "without its beginning"),
        ("{{}}", "a value is missing"),
        ("{{(.A}}", "( without )"),
        ("{{.A)}}", ") without ("),
        ("{{.A |}}", "a value is missing"),
        ("{{break}}", "outside of range"),
        ("{{$x}}", "there is no $x"),
        ("{{.State 1}}", "no function"),
        ("{{\"a}}", "\" without its end"),
        ("{{define \"a\"}}{{end}}", "no function \"define\""),
        ("{{template \"a\"}}", "no function \"template\""),
        ("{{/* a}}", "comment"),
        ("{{'a'}}", "not understood"),
    ] {
        fails(template, part);
    }
}

#[test]
fn what_a_container_controls_is_harmless_and_the_template_is_not_touched() {
    gives("{{.Name}}", "a\\u{1b}b");
    gives("{{printf \"%s\\n\" .Name}}", "a\\u{1b}b\n");
    gives("{{json .Name}}", "\"a\\u001bb\"");
    gives("{{range split .Name \"x\"}}{{.}}{{end}}", "a\\u{1b}b");
    gives("{{\"\\u001b\"}}", "\u{1b}");
    let hostile = json!({"k\u{9b}": ["\u{202e}"]});
    let render = |text: &str| Template::parse(text).and_then(|t| t.render(&hostile));
    for template in [
        "{{.}}",
        "{{json .}}",
        "{{println .}}",
        "{{range $k, $v := .}}{{$k}}{{$v}}{{join $v \"\"}}{{slice $v 0}}{{json $v}}{{end}}",
    ] {
        let text = render(template).expect(template);
        assert!(
            !text.contains(['\u{9b}', '\u{202e}']),
            "{template}: {text:?}"
        );
    }
}

#[test]
fn depth_steps_and_output_are_bounded() {
    let deep = |n: usize| format!("{}1{}", "{{if 1}}".repeat(n), "{{end}}".repeat(n));
    assert!(Template::parse(&deep(DEEPEST)).is_ok());
    fails(&deep(DEEPEST + 1), "blocks in one another");
    fails(
        &format!("{{{{{}1{}}}}}", "(".repeat(1000), ")".repeat(1000)),
        "parentheses",
    );
    let chain = "{{if 0}}".to_owned() + &"{{else if 0}}".repeat(1000) + "{{end}}";
    fails(&chain, "blocks in one another");
    let row: Vec<u32> = (0..200).collect();
    let loops = "{{range $}}".repeat(4) + "x" + &"{{end}}".repeat(4);
    let error = Template::parse(&loops).and_then(|t| t.render(&json!(row)));
    assert!(error.expect_err("too much").message.contains("steps"));
    fails(&"x".repeat(LONGEST + 1), "bytes of template");
    fails("{{printf \"%999999999d\" 1}}", "a width");
    gives(
        "{{printf \"%70000d\" 1 | len}} {{pad \"x\" 70000 0 | len}}",
        "70000 70001",
    );
    for step in ["printf `%s%s` $x $x", "print $x $x", "println $x $x"] {
        let doubling =
            "{{$x := `xxxxxxxx`}}".to_owned() + &format!("{{{{$x = {step}}}}}").repeat(64);
        fails(&doubling, "a text of more than");
    }
    let kept = "{{$x := printf `%1000000d` 1}}".to_owned() + &"{{$y := $x}}".repeat(64);
    fails(&kept, "bytes of values");
}

/// The small sibling of the fuzz target: nothing that is written in braces ends the program.
#[test]
fn fuzz_smoke_of_templates() {
    const PARTS: [&str; 28] = [
        "{{", "}}", "-", " ", ".", "$", "x", ":=", "=", "|", "(", ")", "range", "if", "else",
        "end", "with", "break", "\"", "`", "\\", "json", "printf", "%d", "1", ",", "/*", "*/",
    ];
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    let data = value();
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..12 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let part = usize::try_from(seed % PARTS.len() as u64).unwrap_or(0);
            text.push_str(PARTS[part]);
        }
        if let Ok(template) = Template::parse(&text) {
            drop(template.render(&data));
        }
    }
}
