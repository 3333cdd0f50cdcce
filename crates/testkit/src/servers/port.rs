//! Ports of servers that are killed and started again.

use std::{
    fmt, io,
    net::{Ipv4Addr, TcpListener, UdpSocket},
    ops::Range,
};

/// The ports of servers. The system gives none of them to the clients of other tests, which could
/// have it while a server is down.
const PORTS: Range<u16> = 10_000..30_000;

/// A port of the loopback interface that no other server of these tests has, in any process.
///
/// It stays reserved while the server is down, by a UDP socket of the same number.
pub(super) struct Port {
    number: u16,
    _reservation: UdpSocket,
}

impl Port {
    /// Reserves a free port.
    pub(super) fn reserve() -> io::Result<Self> {
        let mut last = io::Error::other("there are no ports");
        for _ in PORTS {
            let number = fastrand::u16(PORTS);
            match reserve(number) {
                Ok(port) => return Ok(port),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub(super) const fn number(&self) -> u16 {
        self.number
    }
}

fn reserve(number: u16) -> io::Result<Port> {
    let reservation = UdpSocket::bind((Ipv4Addr::LOCALHOST, number))?;
    // Another program may listen there.
    TcpListener::bind((Ipv4Addr::LOCALHOST, number))?;
    Ok(Port { number, _reservation: reservation })
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.number, f)
    }
}
