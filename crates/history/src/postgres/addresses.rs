//! Connects to the first of several addresses that serves, each within a time of its own: one that
//! is silent does not take the time of the next.

use std::{
    collections::hash_map::RandomState,
    future::Future,
    hash::{BuildHasher, Hasher},
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
};

use deadpool_postgres::Connect;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::lookup_host,
    task::JoinHandle,
    time::timeout,
};
use tokio_postgres::{
    Client, Config, Connection, Error, NoTls, Socket,
    config::{Host, LoadBalanceHosts},
    tls::{MakeTlsConnect, TlsConnect},
};

/// The port of servers, unless the URL has another one.
const PORT: u16 = 5432;

/// Makes connections. The `connect_timeout` of their settings is the time for each address,
/// including encryption and login.
pub(super) struct EachAddress<T> {
    pub(super) tls: T,
}

impl<T> Connect for EachAddress<T>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send + Sync,
    T::TlsConnect: Send + Sync,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    fn connect(&self, config: &Config) -> Connecting<'_> {
        let (tls, config) = (self.tls.clone(), config.clone());
        Box::pin(async move {
            let (client, connection) = connect(&config, tls).await?;
            // Its user has the error of a connection that breaks.
            let task = tokio::spawn(async move { drop(connection.await) });
            Ok((client, task))
        })
    }
}

type Connecting<'a> =
    Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + 'a>>;

async fn connect<T>(
    config: &Config,
    tls: T,
) -> Result<(Client, Connection<Socket, T::Stream>), Error>
where
    T: MakeTlsConnect<Socket> + Clone,
{
    let Some(limit) = config.get_connect_timeout().copied() else {
        return config.connect(tls).await;
    };
    let is_random = config.get_load_balance_hosts() == LoadBalanceHosts::Random;
    let mut failure = None;
    for host in in_order(hosts(config), is_random) {
        let Ok(addresses) = timeout(limit, addresses(host)).await else {
            failure = timed_out().await;
            continue;
        };
        for address in in_order(addresses, is_random) {
            failure = match timeout(limit, address.connect(tls.clone())).await {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(error)) => Some(error),
                Err(_) => timed_out().await,
            };
        }
    }
    match failure {
        Some(error) => Err(error),
        // The settings have no valid hosts, which the client reports.
        None => config.connect(tls).await,
    }
}

fn in_order(mut configs: Vec<Config>, is_random: bool) -> Vec<Config> {
    if is_random {
        configs.sort_by_cached_key(|_| RandomState::new().build_hasher().finish());
    }
    configs
}

/// Returns the settings for each host, or none if the lists of the settings do not fit each other.
fn hosts(config: &Config) -> Vec<Config> {
    let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
    let (ports, count) = (config.get_ports(), hosts.len().max(addresses.len()));
    let is_valid = |given: usize| given == 0 || given == count;
    let fit = is_valid(hosts.len()) && is_valid(addresses.len());
    if !fit || ports.len() > 1 && ports.len() != count {
        return Vec::new();
    }
    let of_host = |at: usize| {
        let port = ports.get(at).or_else(|| ports.first()).copied().unwrap_or(PORT);
        of_host(config, hosts.get(at), addresses.get(at).copied(), port)
    };
    (0..count).map(of_host).collect()
}

/// Returns settings with one host: the client has no way to replace those that it has.
fn of_host(config: &Config, host: Option<&Host>, address: Option<IpAddr>, port: u16) -> Config {
    let mut one = Config::new();
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(database) = config.get_dbname() {
        one.dbname(database);
    }
    if let Some(options) = config.get_options() {
        one.options(options);
    }
    if let Some(name) = config.get_application_name() {
        one.application_name(name);
    }
    match host {
        Some(Host::Tcp(name)) => {
            one.host(name);
        }
        #[cfg(unix)]
        Some(Host::Unix(path)) => {
            one.host_path(path);
        }
        None => {}
    }
    if let Some(address) = address {
        one.hostaddr(address);
    }
    one.port(port).ssl_mode(config.get_ssl_mode());
    one.ssl_negotiation(config.get_ssl_negotiation());
    one.channel_binding(config.get_channel_binding());
    one.target_session_attrs(config.get_target_session_attrs());
    if let Some(time) = config.get_connect_timeout() {
        one.connect_timeout(*time);
    }
    if let Some(time) = config.get_tcp_user_timeout() {
        one.tcp_user_timeout(*time);
    }
    one.keepalives(config.get_keepalives()).keepalives_idle(config.get_keepalives_idle());
    if let Some(interval) = config.get_keepalives_interval() {
        one.keepalives_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        one.keepalives_retries(retries);
    }
    one
}

/// Returns the settings for each address of a host. Those of a name that cannot be resolved have
/// none, and the client reports why.
async fn addresses(host: Config) -> Vec<Config> {
    let [Host::Tcp(name)] = host.get_hosts() else { return vec![host] };
    if !host.get_hostaddrs().is_empty() {
        return vec![host];
    }
    let port = host.get_ports().first().copied().unwrap_or(PORT);
    let Ok(found) = lookup_host((name.as_str(), port)).await else { return vec![host] };
    let with_address = |address: SocketAddr| {
        let mut one = host.clone();
        one.hostaddr(address.ip());
        one
    };
    let found: Vec<_> = found.map(with_address).collect();
    if found.is_empty() { vec![host] } else { found }
}

/// Returns the client's error for a server, or a resolution of its name, that does not answer.
async fn timed_out() -> Option<Error> {
    Config::new().user("").connect_raw(TimedOut, NoTls).await.err()
}

/// A connection whose time is over.
struct TimedOut;

fn over<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
}

impl AsyncRead for TimedOut {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        over()
    }
}

impl AsyncWrite for TimedOut {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        over()
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        over()
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        over()
    }
}
