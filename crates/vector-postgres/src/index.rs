//! The indexes of pgvector.

use conversant_history::postgres::PostgresError;

/// The longest vector that an index of pgvector takes.
const MAX_INDEXED: usize = 2000;

/// How a search finds the nearest vectors.
///
/// An index serves vectors of one length, and collections of more than 1,000 documents. Other
/// collections are compared as a whole, which is exact. An index finds almost always, but not
/// always, the nearest vectors. If it finds fewer than were asked for, the collection is compared
/// as a whole too. Of documents that are equally similar at the end of the result, any may be in
/// it.
///
/// The index is created with the store, which blocks writers to a large table meanwhile. Other
/// programs may use the tables with another index or none.
///
/// There is one index for each kind and length, `conversant_vectors_1_hnsw_1536` or
/// `conversant_vectors_1_ivfflat_1536`. One that is there is used as it is: to give it other
/// settings, drop it (`DROP INDEX conversant_vectors_1_hnsw_1536`), and connect again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum VectorIndex {
    /// All vectors of the collection are compared: exact, and fast enough for some ten thousands.
    #[default]
    None,
    /// A graph of neighbours: fast and accurate searches, slower writes, much memory. It can be
    /// created before there are vectors.
    Hnsw {
        /// The length of the vectors, at most 2,000.
        dimensions: usize,
        /// The number of neighbours of each vector, from 2 to 100.
        m: u16,
        /// The number of candidates while the graph is built: at least twice `m`, at most 1,000.
        ef_construction: u16,
    },
    /// Lists of near vectors: faster writes and less memory than a graph, less accurate. Its lists
    /// are chosen among the vectors that are there when it is created: connect with it once there
    /// are many.
    IvfFlat {
        /// The length of the vectors, at most 2,000.
        dimensions: usize,
        /// The number of lists, from 1 to 32,768: about a thousandth of the number of vectors.
        lists: u16,
    },
}

impl VectorIndex {
    /// Returns a graph for vectors of a length, with pgvector's defaults: 16 neighbours, 64
    /// candidates.
    #[must_use]
    pub const fn hnsw(dimensions: usize) -> Self {
        Self::Hnsw { dimensions, m: 16, ef_construction: 64 }
    }

    /// Returns lists for vectors of a length.
    #[must_use]
    pub const fn ivfflat(dimensions: usize, lists: u16) -> Self {
        Self::IvfFlat { dimensions, lists }
    }

    /// Returns the length of the indexed vectors.
    pub(crate) const fn dimensions(self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Hnsw { dimensions, .. } | Self::IvfFlat { dimensions, .. } => Some(dimensions),
        }
    }

    /// Checks the settings, which the server would refuse with an error of its own.
    pub(crate) fn check(self) -> Result<(), PostgresError> {
        let fault = match self {
            Self::Hnsw { dimensions, .. } | Self::IvfFlat { dimensions, .. }
                if dimensions == 0 || dimensions > MAX_INDEXED =>
            {
                format!(
                    "vectors of {dimensions} numbers; use 1 to {MAX_INDEXED} numbers, or no index"
                )
            }
            Self::Hnsw { m, .. } if !(2..=100).contains(&m) => {
                format!("{m} neighbours; use 2 to 100")
            }
            Self::Hnsw { m, ef_construction, .. } if !(2 * m..=1000).contains(&ef_construction) => {
                format!("{ef_construction} candidates; use {} to 1000", 2 * m)
            }
            Self::IvfFlat { lists, .. } if !(1..=32_768).contains(&lists) => {
                format!("{lists} lists; use 1 to 32768")
            }
            _ => return Ok(()),
        };
        Err(PostgresError::new(format!("cannot index {fault}")))
    }

    /// Returns the index's name, one for each kind and length.
    pub(crate) fn name(self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Hnsw { dimensions, .. } => {
                Some(format!("conversant_vectors_1_hnsw_{dimensions}"))
            }
            Self::IvfFlat { dimensions, .. } => {
                Some(format!("conversant_vectors_1_ivfflat_{dimensions}"))
            }
        }
    }

    /// Returns its method and its options in SQL.
    pub(crate) fn method(self) -> Option<(&'static str, String)> {
        match self {
            Self::None => None,
            Self::Hnsw { m, ef_construction, .. } => {
                Some(("hnsw", format!("m = {m}, ef_construction = {ef_construction}")))
            }
            Self::IvfFlat { lists, .. } => Some(("ivfflat", format!("lists = {lists}"))),
        }
    }

    /// Returns the settings of a search for `k` vectors, for the rest of a transaction.
    /// `can_iterate` is whether pgvector goes on searching while a filter leaves too few: from
    /// version 0.8 on.
    pub(crate) fn search_settings(self, k: usize, can_iterate: bool) -> String {
        let (candidates, iterates) = match self {
            Self::None => return String::new(),
            Self::Hnsw { .. } => {
                (format!("SET LOCAL hnsw.ef_search = {};", k.clamp(40, 1000)), "hnsw")
            }
            Self::IvfFlat { lists, .. } => {
                let probes = lists.isqrt().max(1);
                (format!("SET LOCAL ivfflat.probes = {probes};"), "ivfflat")
            }
        };
        if can_iterate {
            format!("{candidates} SET LOCAL {iterates}.iterative_scan = relaxed_order;")
        } else {
            candidates
        }
    }
}
