//! Whatever is written in a template, it is an error or a bounded text in which the value drives no terminal.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../src/escape.rs"]
#[allow(dead_code, reason = "the program uses more of it")]
mod escape;
#[path = "../../src/template/mod.rs"]
#[allow(dead_code, reason = "the program uses more of it")]
mod template;

fuzz_target!(|text: &str| {
    let value = serde_json::json!({
        "Name": "a\u{9b}b\u{202e}", "State": {"Running": true, "Pid": 7, "Error": ""},
        "Config": {"Cmd": ["sleep", "\u{9b}"], "Labels": {"a": "b", "c\u{9b}": null}},
    });
    let Ok(template) = template::Template::parse(text) else {
        return;
    };
    let _headings = template.headings();
    if let Ok(shown) = template.render(&value)
        && !text.contains(['\u{9b}', '\u{202e}', '\\', '%', '&'])
    {
        assert!(!shown.contains(['\u{9b}', '\u{202e}']), "{shown:?}");
    }
});
