// Package snapshot keeps the identity plane in memory: an immutable view of all accounts, users, groups, roles, policies
// and access keys at one revision, and a follower that keeps it current from the store's watch.
//
// Reading takes one atomic load ([Follower.Current]) and no locks. Everything read from one [Snapshot] belongs together.
// Records are shared with other readers and must not be changed. Handles ([Account], [User], …) are small values that
// embed the stored record and remember the snapshot they came from; they stay valid as long as they are held.
//
// Publishing a change costs O(log n): snapshots share all that did not change (persistent B-trees; lookups by ID go
// through trees ordered by a hash of the ID). Changes that wait when the follower comes around are applied together and
// published once.
//
// # Failing closed
//
// A record that cannot be decoded, whose key does not fit its content, or of a kind this version does not know is never
// skipped: the follower stops at the last good snapshot, says so in [Follower.Err], counts no freshness (so that whoever
// bounds staleness refuses service in time), and loads anew with growing pauses until the record is readable. A document
// that does not compile, and a reference to a policy or group that does not exist, become a policy that denies everything
// under the name of what is missing. Directory lets neither happen.
//
// # Compiled policies
//
// The policies of a principal are compiled at first use and kept as one linked set beside the record. A linked set is valid
// as long as the principal's record is the same one and nothing shared has changed in its account since: no group's name or
// grants, no customer managed policy's default document, ARN or existence, not whether the account's password policy lets users
// change theirs, and not the account's [entity.Epoch].
// The snapshot itself watches for these changes and does not rely on the epoch alone.
//
// One compiled form serves all principals for which kind, name and content hash of the document are the same: a managed
// policy is compiled once. Linked sets are bounded by an estimate of bytes; those not used lately give way (CLOCK), and a
// compiled policy goes with the last linked set that holds it. A hit costs an atomic load and no allocation.
package snapshot
