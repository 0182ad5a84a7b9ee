//! The parts of the program `adit`, as a library for the program itself and its tests.
//!
//! - [`config`], [`compat`]: what operators write, with [`diagnostic`]s for what is wrong with it,
//! - [`import`]: from the files of other programs to our configuration,
//! - [`cli`], [`quickstart`], [`logging`]: what they see,
//! - [`devices`]: what users' devices need to connect,
//! - [`manual`]: manual pages and completions, made from those definitions,
//! - [`control`]: the socket through which a running server is asked,
//! - [`scripts`]: programs of theirs that are run when sessions come and go,
//! - [`io`]: sockets, TUN and threads,
//! - [`shell`]: the control loop around the engine; [`server`] and [`client`] are its two uses,
//! - [`doctor`]: what on a host keeps clients out,
//! - [`settings`]: from what operators write to what the engine is told.
// Forbidden in all the others; here one module of the edges wants it, [`io::memory`].
#![deny(unsafe_code)]
// The protocol crates may not touch files, clocks, threads and the environment; this is the shell
// in which those live.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

pub mod cli;
pub mod client;
pub mod compat;
pub mod config;
pub mod control;
pub mod devices;
pub mod diagnostic;
pub mod doctor;
pub mod import;
pub mod io;
pub mod load;
pub mod logging;
pub mod manual;
mod nat;
pub mod panic;
pub mod quickstart;
mod random;
pub mod scripts;
pub mod server;
pub mod settings;
pub mod shell;
