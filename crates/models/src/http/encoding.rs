//! The compression of a body: by its header, and by its bytes, which count.
//!
//! It is not asked for, but some gateways compress anyway, some unpack a body and leave the header,
//! and some write another word into the header so that nothing compresses a stream.

use std::io;

use bytes::Bytes;
use conversant_core::{DecodeError, TransportPhase};
use http::HeaderValue;

#[cfg(feature = "gzip")]
use super::gunzip::Gunzip;
use super::{
    attempt::{FailedAttempt, too_large},
    transport_error,
};

/// The first bytes of a body that is compressed by gzip. No text begins so.
const GZIP_MAGIC: &[u8] = b"\x1f\x8b";
/// The number of bytes that show whether a body is text.
const MAX_LOOKED_AT: usize = 256;

/// The coding that `Content-Encoding` names.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    #[default]
    Identity,
    /// Any other. Many of them do not name a compression: `none`, `utf-8`, `chunked`.
    Other,
    /// None any more: the body is unpacked as it is received.
    Unpacked,
}

impl Encoding {
    pub(super) fn of(header: &HeaderValue) -> Self {
        let value = header.as_bytes().trim_ascii();
        match value.is_empty() || value.eq_ignore_ascii_case(b"identity") {
            true => Self::Identity,
            false => Self::Other,
        }
    }

    /// Returns whether a body that begins with some bytes is compressed. Of gzip, two show it.
    pub(super) fn is_compressed(self, start: &[u8]) -> bool {
        let is_other = || !is_text(start) && !GZIP_MAGIC.starts_with(start);
        match self {
            Self::Unpacked => false,
            Self::Identity => start.starts_with(GZIP_MAGIC),
            Self::Other => start.starts_with(GZIP_MAGIC) || is_other(),
        }
    }

    /// Returns the first bytes of a body, at most `limit`, unpacked as far as that is possible.
    pub(super) fn unpack_some(self, start: Vec<u8>, limit: usize) -> Vec<u8> {
        match self.is_compressed(&start) {
            false => start,
            true => unpack_some(start.into(), limit),
        }
    }

    /// Returns a whole body of at most `limit` bytes, unpacked.
    pub(super) fn unpack(self, body: Bytes, limit: usize) -> Result<Bytes, FailedAttempt> {
        if !self.is_compressed(&body) {
            return Ok(body);
        }
        check_unpackable(&body).map_err(|error| FailedAttempt::last(error.into()))?;
        let mut unpacked = Vec::new();
        match unpack(body, limit, &mut unpacked) {
            Ok(()) if unpacked.len() > limit => Err(too_large(limit)),
            Ok(()) => Ok(unpacked.into()),
            Err(error) => Err(not_unpacked(error)),
        }
    }
}

/// Creates the failure of a body that is compressed by gzip and cannot be unpacked.
pub(super) fn not_unpacked(error: io::Error) -> FailedAttempt {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return transport_error::transport(TransportPhase::Body, error);
    }
    // Its bytes came as they were sent, so that another attempt may cost as much and bring the
    // same.
    let what = format!("the response is compressed by gzip, and damaged: {error}");
    FailedAttempt::last(DecodeError::new(what).into())
}

/// Returns whether bytes may begin a text.
fn is_text(start: &[u8]) -> bool {
    let start = start.get(..MAX_LOOKED_AT).unwrap_or(start);
    let is_control = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
    // A character may be cut off.
    let is_utf8 =
        std::str::from_utf8(start).map_or_else(|error| error.error_len().is_none(), |_| true);
    is_utf8 && !start.iter().any(is_control)
}

/// Returns the error of a body that is compressed, unless it can be unpacked.
pub(super) fn check_unpackable(start: &[u8]) -> Result<(), DecodeError> {
    match start.starts_with(GZIP_MAGIC) {
        true if cfg!(feature = "gzip") => Ok(()),
        true => Err(DecodeError::new(
            "the response is compressed, which was not asked for; enable the feature `gzip`",
        )),
        false => Err(DecodeError::new("the response is compressed, which was not asked for")),
    }
}

/// Unpacks the first bytes of a body, at most `limit`. It may be cut off.
fn unpack_some(body: Bytes, limit: usize) -> Vec<u8> {
    let mut unpacked = Vec::new();
    // What was read before an error is kept.
    let _ = unpack(body, limit, &mut unpacked);
    unpacked.truncate(limit);
    unpacked
}

/// Unpacks a body that is compressed by gzip, until it has more than `limit` bytes.
#[cfg(feature = "gzip")]
fn unpack(body: Bytes, limit: usize, unpacked: &mut Vec<u8>) -> io::Result<()> {
    let mut gunzip = Gunzip::new();
    gunzip.feed(body);
    while let Some(piece) = gunzip.next_piece()? {
        unpacked.extend_from_slice(&piece);
        if unpacked.len() > limit {
            return Ok(());
        }
    }
    gunzip.check_end()
}

#[cfg(not(feature = "gzip"))]
fn unpack(_body: Bytes, _limit: usize, _unpacked: &mut Vec<u8>) -> io::Result<()> {
    Ok(())
}
