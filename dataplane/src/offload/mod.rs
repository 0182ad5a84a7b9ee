//! Segmentation offload: the kernel and we hand each other packets of up to 64 KiB, which stand
//! for many, so that what costs per packet in the stack is paid once for a run of them.
//!
//! Whoever hands over a packet describes it in a header in front ([`VnetHeader`]). What comes from
//! the host may be a super-packet to be cut into segments; what goes to the host is put together.
//! Nothing here trusts such a header: it is checked against the packet that it describes.

mod coalesce;
mod segments;
mod vnet;

pub use coalesce::{Coalescer, Delivery, Mergeable};
pub use segments::Segments;
pub use vnet::{BadVnetHeader, Gso, VnetHeader};
