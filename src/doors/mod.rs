//! The ways in to a [`Desk`]: the wire protocol of PostgreSQL, Arrow Flight SQL, and a page.
//!
//! Each turns what comes into statements of a [`Visit`], and what the visit tells into its
//! protocol. None decides what is answered.
//!
//! [`Desk`]: crate::desk::Desk
//! [`Visit`]: crate::desk::visit::Visit

pub(crate) mod flight;
pub(crate) mod page;
pub(crate) mod postgres;
pub(crate) mod tls;
