//! A device that is removed under a worker, and another in its place.

use super::*;

#[test]
fn packets_pass_through_a_tun_device() {
    in_a_namespace(
        "io::worker::tests::device::packets_pass_through_a_tun_device",
        || {
            run(through_a_tun_device());
        },
    );
}

async fn through_a_tun_device() {
    let (tun, queues) = devices(true, None);
    let (mut server, mut client) = connected_with(Carrier::NatT, Some(queues)).await;
    ping_the_kernel(&mut client, b"through all of it").await;

    // Somebody removes the device. The worker says so and goes on with what does not need it, and
    // the thread sleeps instead of asking for packets again and again.
    let removed = std::process::Command::new("ip")
        .args(["link", "delete", "adit-t5"])
        .status();
    if !removed.is_ok_and(|status| status.success()) {
        println!("skipped: removing the device (no `ip`)");
        return;
    }
    let lost = timeout(Duration::from_secs(5), server.lost.recv()).await;
    assert_eq!(lost, Ok(Some(Lost::Tun)));
    assert!(!tun.is_there());
    client
        .command(Command::Inject(ip_packet(CLIENT, SERVER, 60, true)))
        .await;
    server.counted("tun-dropped", 1).await;
    let before = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let after = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let used = (after.tv_sec - before.tv_sec) * 1_000_000_000 + after.tv_nsec - before.tv_nsec;
    assert!(used < 100_000_000, "{used} ns of 300 ms");

    // It gets another one.
    let (another, queues) = devices(true, None);
    assert!(another.is_there() && !tun.is_there());
    server.command(Command::Renew(queues)).await;
    ping_the_kernel(&mut client, b"through another").await;
    assert!(server.lost.try_recv().is_err(), "told once");
    assert!(server.worker.finish());
}
