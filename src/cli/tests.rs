use std::net::IpAddr;

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::*;

fn parse(line: &str) -> Result<Command, clap::Error> {
    Cli::try_parse_from(line.split_whitespace()).map(|cli| cli.command)
}

fn connect(options: &str) -> Connect {
    match parse(&format!("adit connect {options}")).unwrap() {
        Command::Connect(connect) => *connect,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_definitions_hold_together() {
    Cli::command().debug_assert();
}

/// What is not built yet does not appear, and no name of the contract is missing.
#[test]
fn the_commands() {
    let command = Cli::command();
    let names: Vec<&str> = command
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    assert_eq!(
        names,
        [
            "serve",
            "quickstart",
            "check",
            "import",
            "doctor",
            "status",
            "session",
            "reload",
            "user",
            "explain",
            "client",
            "connect",
            "load",
            "man",
            "completions"
        ]
    );
}

#[test]
fn the_help_of_every_command() {
    let mut text = String::new();
    let mut command = Cli::command().term_width(100);
    command.build();
    text.push_str(&command.render_help().to_string());
    for sub in command.get_subcommands_mut() {
        text.push_str(&format!(
            "\n--- {}\n{}",
            sub.get_name().to_owned(),
            sub.render_help()
        ));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_server_side() {
    let Ok(Command::Serve(serve)) = parse("adit serve --config /x/adit.toml") else {
        panic!("serve");
    };
    assert_eq!(serve.config.path(), PathBuf::from("/x/adit.toml"));
    let Ok(Command::Check(check)) = parse("adit check --json") else {
        panic!("check")
    };
    assert!(check.json && check.config.path() == *"/etc/adit/adit.toml");
    let Ok(Command::Quickstart(quick)) = parse("adit quickstart") else {
        panic!("quickstart")
    };
    assert_eq!(quick.dir, PathBuf::from("/etc/adit"));
    let Ok(Command::Status(status)) = parse("adit status --socket /s --json") else {
        panic!("status");
    };
    assert_eq!(status.asking.socket, Some(PathBuf::from("/s")));
    let Ok(Command::Session(session)) = parse("adit session close 7 8 --socket /s") else {
        panic!("session");
    };
    assert!(
        matches!(&session.verb, session::Verb::Close { ids, user: None, .. } if *ids == [7, 8])
    );
    assert_eq!(session.asking().socket, Some(PathBuf::from("/s")));
    let Ok(Command::Reload(_)) = parse("adit reload --config /x/adit.toml") else {
        panic!("reload");
    };
}

#[test]
fn the_client_side() {
    let plain = connect("vpn.example.org --psk-file k --user bob --password-file p");
    assert_eq!(plain.server, "vpn.example.org");
    assert_eq!((plain.port, plain.natt_port), (500, 4500));
    assert_eq!(plain.tun, "adit-client");
    assert_eq!(plain.route, [Route::None]);
    assert_eq!(plain.timeout, Duration::from_secs(30));
    assert!(!plain.check);

    let check = connect("192.0.2.1 --user bob --check --json --count 5 --timeout 5s --port 1500");
    assert!(check.check && check.json);
    assert_eq!(check.profile, engine::Profile::Adit);
    for profile in engine::Profile::ALL {
        let line = format!("h --user bob --profile {profile}");
        assert_eq!(connect(&line).profile, profile);
    }
    assert_eq!((check.count, check.port), (5, 1500));

    let routed = connect("h --user bob --tun vpn0 --route default");
    assert_eq!(routed.route, [Route::Default]);
    let routed = connect("h --user bob --route 10.0.0.0/8,192.0.2.7,2001:db8::/32");
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    assert_eq!(
        routed.route,
        [
            Route::Network(address("10.0.0.0"), 8),
            Route::Network(address("192.0.2.7"), 32),
            Route::Network(address("2001:db8::"), 32),
        ]
    );
}

#[test]
fn wrong_use_is_exit_code_2() {
    for line in [
        "adit",
        "adit dance",
        "adit serve --confg x",
        "adit session",
        "adit session show",
        "adit session show bob",
        "adit session close",
        "adit session close 7 --user bob",
        "adit connect",
        "adit connect h",
        "adit connect h --user bob --port 0",
        "adit connect h --user bob --tun interface-name-too-long",
        "adit connect h --user bob --route 10.0.0.1/8",
        "adit connect h --user bob --route 10.0.0.0/33",
        "adit connect h --user bob --timeout soon",
        "adit connect h --user bob --profile amiga",
        "adit connect h --user bob --json",
        "adit connect h --user bob --check --route default",
    ] {
        let error = parse(line).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
    }
    assert_eq!(parse("adit --version").unwrap_err().exit_code(), 0);
    assert_eq!(Failure::Usage(String::new()).exit_code(), 2);
    assert_eq!(Failure::Configuration(Vec::new()).exit_code(), 2);
    assert_eq!(Failure::Failed(String::new()).exit_code(), 1);
    let caused = anyhow::anyhow!("no route").context("cannot reach the server");
    assert_eq!(
        Failure::from(caused).report(),
        "adit: cannot reach the server: no route"
    );
}

/// No option takes a secret itself: every user of the host could read it there.
#[test]
fn no_secret_in_argv() {
    for option in [
        "--psk x",
        "--password x",
        "--psk=x",
        "--password=x",
        "--key x",
        "--secret x",
    ] {
        let error = parse(&format!("adit connect h --user bob {option}")).expect_err(option);
        assert_eq!(error.kind(), ErrorKind::UnknownArgument, "{option}");
    }
    for command in Cli::command().get_subcommands() {
        for argument in command.get_arguments() {
            let name = argument.get_id().as_str();
            let secret = argument.get_action().takes_values()
                && name
                    .split('_')
                    .any(|word| ["psk", "password", "secret", "key"].contains(&word));
            assert!(
                !secret || name.ends_with("_file"),
                "{} takes {name}",
                command.get_name()
            );
        }
    }
}
