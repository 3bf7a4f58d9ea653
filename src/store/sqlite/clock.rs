//! The store's clock: this process's, since no other writes to the file from another machine.

use crate::store::StoreTime;

pub(super) fn now() -> StoreTime {
    StoreTime(jiff::Timestamp::now().as_microsecond())
}
