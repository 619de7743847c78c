package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/integrity"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/keyring"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// shown is how many findings of one kind are told one by one.
const shown = 20

const restoreOr = "restore a backup (ostiary restore --overwrite), or report it with the output of this command"

// some tells the first few of many, and how many there are.
type some struct {
	r     *Report
	check string
	n     int
}

func (s *some) add(level Level, do, format string, args ...any) {
	if s.n++; s.n <= shown {
		s.r.Add(s.check, level, do, format, args...)
	}
}

// end tells how many were not told; with none at all it tells that all is well.
func (s *some) end(well string, args ...any) {
	switch {
	case s.n == 0:
		s.r.Add(s.check, OK, "", well, args...)
	case s.n > shown:
		s.r.Add(s.check, Error, restoreOr, "there are %d such findings; the first %d are shown", s.n, shown)
	}
}

// Records looks at every record of a store at one revision: whether they hold together, what is sealed, and what is near its end. ring is
// nil where there is none that opens.
func (r *Report) Records(ctx context.Context, st store.Store, ring *seal.Ring, now time.Time) {
	err := st.View(ctx, func(rd store.Reader) error {
		held := &some{r: r, check: "records"}
		stats, err := integrity.Check(rd, func(p integrity.Problem) { held.add(Error, restoreOr, "%s: %s", p.Key, p.Text) })
		if err != nil {
			return err
		}
		held.end("%d records can be read and agree with each other", stats.Records)
		r.Latest(now, stats.Latest)
		return r.values(rd, ring, now)
	})
	if err != nil {
		r.Add("records", Error, restoreOr, "the store cannot be read to its end: %v", err)
	}
	if ring != nil {
		r.keys(ctx, st, ring, now)
	}
}

// values looks at what single records hold.
func (r *Report) values(rd store.Reader, ring *seal.Ring, now time.Time) error {
	sealed := &some{r: r, check: "secrets"}
	opened := 0
	for e, err := range rd.Range(nil) {
		if err != nil {
			return err
		}
		values, err := directory.SealedValues(e.Key, e.Value)
		if err != nil {
			continue // told with the records
		}
		for _, v := range values {
			if ring == nil {
				continue
			}
			if _, err := ring.Open(v.Purpose, v.Value, []byte(v.Associated)); err != nil {
				sealed.add(Error, openAdvice(err), "%s: the %s does not open: %v", keyenc.Print(e.Key), v.Purpose, err)
				continue
			}
			opened++
		}
		r.certificates(e, now)
	}
	if ring != nil {
		sealed.end("all %d sealed values open", opened)
	}
	return nil
}

func openAdvice(err error) string {
	if errors.Is(err, seal.ErrUnknownKey) {
		return "its key is gone from the ring: restore a backup from before, or make the credential anew"
	}
	return "the record was changed outside of Ostiary: make the credential anew"
}

// certificates speaks of certificates in a record that end soon.
func (r *Report) certificates(e store.Entry, now time.Time) {
	parts, err := keyenc.Decode(e.Key)
	if err != nil || len(parts) != 5 || parts[1] != "item" {
		return
	}
	kind, _ := parts[3].(string)
	switch entity.Kind(kind) {
	case entity.KindSAMLProvider, entity.KindServerCertificate:
	default:
		return
	}
	it, err := entity.DecodeItem(entity.Kind(kind), e.Value)
	if err != nil {
		return
	}
	switch it := it.(type) {
	case *entity.ServerCertificate:
		r.soon("the server certificate "+it.ARN(), "upload a new one and use that", now, it.ExpiresAt)
	case *entity.SAMLProvider:
		const do = "upload the provider's present metadata document"
		if !it.ValidUntil.IsZero() {
			r.soon("the metadata of "+it.ARN(), do, now, it.ValidUntil)
		}
		latest := time.Time{}
		for _, idp := range it.IdPs {
			for _, der := range idp.Certificates {
				if c, err := x509.ParseCertificate(der); err == nil && c.NotAfter.After(latest) {
					latest = c.NotAfter
				}
			}
		}
		if !latest.IsZero() {
			r.soon("the last signing certificate of "+it.ARN(), do, now, latest)
		}
	}
}

// soon is Ending for what belongs to an account: the installation works without it.
func (r *Report) soon(what, do string, now, end time.Time) {
	if now.Add(Soon).After(end) {
		r.Add("certificate", Warning, do, "%s ends, or has ended, on %s", what, end.UTC().Format(time.DateOnly))
	}
}

// keys speaks of the keys of the ring.
func (r *Report) keys(ctx context.Context, st store.Store, ring *seal.Ring, now time.Time) {
	uses, err := keyring.Uses(ctx, st, ring)
	if err != nil {
		r.Add("keys", Error, restoreOr, "the store cannot be read to its end: %v", err)
		return
	}
	keys := ring.Keys()
	for i, k := range keys {
		name := fmt.Sprintf("key %08x of %s", k.ID, k.Created.Format(time.DateOnly))
		switch {
		case k.Current:
			r.Add("keys", OK, "", "%s is current, %d records need it", name, uses[k.ID])
		case k.Waiting:
			r.Add("keys", OK, "", "%s waits to become current", name)
		case uses[k.ID] > 0 && now.After(keys[i+1].Created.Add(keyring.Retention)):
			r.Add("keys", Warning, "see the log for why they are not sealed anew; exchange tokens of delegation requests are, when they have ended",
				"%s is old, and %d records still need it", name, uses[k.ID])
		default:
			r.Add("keys", OK, "", "%s is old, %d records need it, and sessions may until %s", name, uses[k.ID], keys[i+1].Created.Add(keyring.Retention).Format(time.RFC3339))
		}
	}
}
