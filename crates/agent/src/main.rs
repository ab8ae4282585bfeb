//! `dcv-agent`: see the crate's library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // One crypto library for everything that speaks TLS; a second call would be an error and there is none.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    dcv_agent::cli::main().into()
}
