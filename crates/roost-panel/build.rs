//! Finds the built web console, or makes a page that says how to build it, so that the crate compiles without one.

use std::{env, error::Error, fs, path::PathBuf};

const NOT_BUILT: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Roost</title>\n\
    <body><h1>Roost</h1>\n<p>This binary was built without the web console. <code>./run</code> builds both; \
    by hand: <code>npm --prefix web ci &amp;&amp; npm --prefix web run build</code>, then build Roost again.</p>\n";

fn main() -> Result<(), Box<dyn Error>> {
    let dist = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../web/dist");
    println!("cargo::rerun-if-changed={}", dist.display());
    println!("cargo::rerun-if-changed=migrations");
    let folder = if dist.join("index.html").is_file() {
        fs::canonicalize(dist)?
    } else {
        let empty = PathBuf::from(env::var("OUT_DIR")?).join("no-web-console");
        fs::create_dir_all(&empty)?;
        fs::write(empty.join("index.html"), NOT_BUILT)?;
        empty
    };
    println!("cargo::rustc-env=ROOST_WEB_DIST={}", folder.display());
    Ok(())
}
