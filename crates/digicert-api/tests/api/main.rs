//! The client against a scripted server: documented answers, disputed ones, and broken ones.

mod dcv;
mod domains;
mod failures;
mod herd;
mod methods;
mod orders;
mod rate;
mod secrets;
mod support;
mod survey;
mod tls;
mod transport;
