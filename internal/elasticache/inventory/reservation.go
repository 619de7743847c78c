package inventory

import "time"

// ReservationRecord is a reservation of cache nodes. Nobody is billed here, so that it is a promise without a price: it is kept, shown and
// runs out.
type ReservationRecord struct {
	Meta
	Offering string // its ID
	Count    int    // of nodes
}

// Type returns [ReservedNode].
func (*ReservationRecord) Type() Type { return ReservedNode }

// State is what AWS calls a reservation at some time: it runs for as long as its offering says.
func (r *ReservationRecord) State(duration time.Duration, now time.Time) string {
	if now.Before(r.CreatedAt.Add(duration)) {
		return "active"
	}
	return "retired"
}

// Reserve makes a reservation.
func (tx Tx) Reserve(r *ReservationRecord) error { return tx.create(r) }
