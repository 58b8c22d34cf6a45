//! Gives the scheduler the locks of `loom`.

fn main() {
    println!("cargo::rustc-cfg=loom");
}
