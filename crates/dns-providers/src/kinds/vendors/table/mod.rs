//! The rows, in the order of the alphabet.
//!
//! Smallest times to live and addresses of documents are those that the vendors' documents and the clients of lego
//! (`minTTL` in `providers/dns/*`) and dns-lexicon give; how texts are answered is what recorded answers show
//! (dns-lexicon, `tests/fixtures/cassettes`); how a value is written is what the code of dns-update 0.6.1 does.

mod a_to_c;
mod d_to_g;
mod h_to_m;
mod n_to_r;
mod s_to_z;

use super::vendor::Vendor;

const PARTS: [&[Vendor]; 5] = [a_to_c::ROWS, d_to_g::ROWS, h_to_m::ROWS, n_to_r::ROWS, s_to_z::ROWS];

/// How many vendors there are.
pub(super) const COUNT: usize = {
    let mut count = 0;
    let mut part = 0;
    while part < PARTS.len() {
        count += PARTS[part].len();
        part += 1;
    }
    count
};

/// Every row.
pub(super) const ROWS: [Vendor; COUNT] = {
    let mut rows = [Vendor::USUAL; COUNT];
    let (mut part, mut at) = (0, 0);
    while part < PARTS.len() {
        let mut row = 0;
        while row < PARTS[part].len() {
            rows[at] = PARTS[part][row];
            row += 1;
            at += 1;
        }
        part += 1;
    }
    rows
};
