package entity

import "time"

// Names of system records, under ("sys", name): see [SystemKey].
const (
	// SysFormat is the version of all that this package draws: a number as text.
	SysFormat = "format"
	// SysMigration says which node brings the store to another format; package migrate's.
	SysMigration = "migration"
	// SysRing is the key ring, wrapped under the master key.
	SysRing = "keyring"
	// SysNextRing is the key ring wrapped under the master key that comes next, while one replaces the other. Whichever of
	// both a node has opens one of both records.
	SysNextRing = "keyring-next"
	// SysRestore is a [Restoring]: the store is the target of a restore that has not ended, and is not to be served from.
	SysRestore = "restore"
	// SysIncarnation is an [Incarnation]. A node that sees another one than at its start works on what is gone, and ends.
	SysIncarnation = "incarnation"
)

// Restoring says that a restore is going on, or was cut off.
type Restoring struct {
	ID        string // of the attempt: another attempt takes the store over by writing its own
	StartedAt time.Time
	TakenAt   time.Time // of the backup
	Revision  int64     // that the backup shows
	Records   int64
}

// Incarnation is what a store is after a restore: the same installation, at an earlier time.
type Incarnation struct {
	ID         string
	RestoredAt time.Time
	TakenAt    time.Time // of the backup
	Revision   int64     // of the backup, in the store that it was taken from
}
