//! Writing turns as the lines of a new file.

use conversant_core::{HistoryError, Turn, TurnId};

use crate::{
    header::Header,
    log_record::{self, BranchPoint, Record},
};

/// The bytes of a file that consists of turns.
pub(crate) struct Rewritten {
    pub(crate) bytes: Vec<u8>,
    lines: u64,
    tip: Option<TurnId>,
}

impl Rewritten {
    pub(crate) fn begin(header: &Header) -> Result<Self, HistoryError> {
        let tip = header.base.map(|base| base.after);
        Ok(Self { bytes: header.encode()?, lines: 1, tip })
    }

    /// Adds a turn, which becomes the tip, after a point.
    pub(crate) fn add(&mut self, turn: &Turn, point: BranchPoint) -> Result<(), HistoryError> {
        let record = match point.after == self.tip {
            true => Record::turn(turn, point.messages),
            false => Record::branch(turn, point, true),
        };
        self.write(&record)?;
        self.tip = Some(turn.id());
        Ok(())
    }

    /// Moves the tip to a point.
    pub(crate) fn set_tip(&mut self, point: BranchPoint) -> Result<(), HistoryError> {
        if point.after != self.tip {
            self.write(&Record::tip(point))?;
            self.tip = point.after;
        }
        Ok(())
    }

    fn write(&mut self, record: &Record<'_>) -> Result<(), HistoryError> {
        self.bytes.extend_from_slice(&log_record::encode(self.lines, record)?);
        self.lines += 1;
        Ok(())
    }
}
