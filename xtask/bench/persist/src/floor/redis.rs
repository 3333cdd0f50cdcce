//! A hand-written store in Redis: a list of turns, their ids, and a script that appends.

use ::redis::{Script, aio::MultiplexedConnection};
use conversant_core::{BoxError, TurnId};

use super::{Message, NewTurn, checksum, decode};

/// Appends a turn in the epoch that was seen, once by its id. Returns the number of turns.
const APPEND: &str = "
    if (redis.call('HGET', KEYS[1], 'epoch') or '0') ~= ARGV[1] then return -1 end
    if redis.call('HSETNX', KEYS[3], ARGV[2], 1) == 0 then return 0 end
    return redis.call('RPUSH', KEYS[2], ARGV[3])";

/// A connection, and the keys of one session.
pub(crate) struct Session {
    connection: MultiplexedConnection,
    append: Script,
    keys: [String; 3],
    name: String,
}

impl Session {
    pub(crate) async fn open(url: &str, name: &str) -> Result<Self, BoxError> {
        let connection = ::redis::Client::open(url)?.get_multiplexed_async_connection().await?;
        let keys = ["meta", "turns", "ids"].map(|part| format!("floor:{{{name}}}:{part}"));
        Ok(Self { connection, append: Script::new(APPEND), keys, name: name.to_owned() })
    }

    /// Loads the last turns, and returns the number of the next one.
    pub(crate) async fn load(&self, limit: isize) -> Result<(Vec<Message>, u64), BoxError> {
        let [meta, turns, _] = &self.keys;
        let mut load = ::redis::pipe();
        load.hget(meta, "epoch").llen(turns).lrange(turns, -limit, -1);
        let (_, next, found): (Option<u64>, u64, Vec<Vec<u8>>) =
            load.query_async(&mut self.connection.clone()).await?;
        let mut messages = Vec::with_capacity(found.len() * 2);
        let first = next - found.len() as u64;
        for (number, turn) in (first..).zip(&found) {
            let (head, body) = turn.split_at_checked(45).ok_or("a damaged turn")?;
            let head = std::str::from_utf8(head)?;
            let (id, sum) = head.split_at_checked(36).ok_or("a damaged turn")?;
            let id: TurnId = id.parse()?;
            if u32::from_str_radix(sum.trim(), 16)? != checksum(&self.name, number, id, body) {
                return Err("a damaged turn".into());
            }
            decode(body, &mut messages)?;
        }
        Ok((messages, next))
    }

    /// Appends a turn, by a number that the caller knows.
    pub(crate) async fn append(&self, number: u64, turn: &NewTurn) -> Result<(), BoxError> {
        let sum = checksum(&self.name, number, turn.id, turn.body.as_bytes());
        let text = format!("{} {sum:08x}{}", turn.id, turn.body);
        let mut append = self.append.prepare_invoke();
        append.key(&self.keys).arg(0).arg(turn.id.to_string()).arg(text);
        let length: i64 = append.invoke_async(&mut self.connection.clone()).await?;
        if length > 0 { Ok(()) } else { Err("the session was cleared".into()) }
    }
}
