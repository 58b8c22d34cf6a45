use std::env;

fn main() {
    napi_build::setup();
    if is_linked_by_lld() {
        // Functions that are the same code are there once.
        println!("cargo::rustc-link-arg-cdylib=-Wl,--icf=all");
    }
}

/// Rust links for this target with the LLD that it brings along, unless whoever builds says otherwise.
fn is_linked_by_lld() -> bool {
    let target = env::var("TARGET");
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    target.is_ok_and(|target| target == "x86_64-unknown-linux-gnu")
        && env::var_os("RUSTC_LINKER").is_none()
        && !flags.contains("link")
}
