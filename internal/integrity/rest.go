package integrity

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
)

func (c *check) token(_, id string, t *entity.HardwareToken) {
	c.place(entity.TokenKey(t.Serial))
	c.saw(t.LoadedAt)
	c.tokens[id] = t
	c.serials[t.Serial] = true
}

// allItems reads the items of every kind.
func (c *check) allItems() error {
	devices := make(map[string]bool) // serial numbers of hardware tokens that are somebody's
	for e, err := range c.r.Range(keyenc.Encode("id", "item")) {
		if err != nil {
			return err
		}
		c.current = e.Key
		parts, err := keyenc.Decode(e.Key)
		if err != nil || len(parts) != 5 {
			c.problem("the key cannot be read")
			continue
		}
		kind, _ := parts[3].(string)
		it, err := entity.DecodeItem(entity.Kind(kind), e.Value)
		if err != nil {
			c.problem("the record cannot be read: %v", err)
			continue
		}
		c.place(entity.KeyOf(it))
		p := it.Place()
		ref := p.NameRef(it.Kind())
		c.expect(entity.NameKey(p.Account, it.Kind(), p.Name), &ref)
		if p.Unique {
			c.expect(entity.UniqueIDKey(p.ID), &ref.Ref)
		}
		c.counts[string(entity.CountKey(p.Account, it.Kind()))]++
		c.within(p.Account)
		c.items[string(e.Key)] = &item{owner: p.Owner}
		if d, ok := it.(*entity.MFADevice); ok {
			c.device(d)
			devices[d.Serial] = true
		}
	}
	for id, t := range c.tokens {
		if t.Account != "" && !devices[t.Serial] {
			c.current = entity.TokenKey(id)
			c.problem("it says that it is a device of account %s, and there is none", t.Account)
		}
	}
	return nil
}

func (c *check) device(d *entity.MFADevice) {
	c.serials[d.Serial] = true
	c.saw(d.CreatedAt, d.EnabledAt)
	if (d.Owner == "") != d.EnabledAt.IsZero() {
		c.problem("it is enabled without an owner, or has an owner and is not enabled")
	}
	switch d.Type {
	case entity.VirtualMFA:
		c.counts[string(entity.CountKey(d.Account, entity.KindVirtualMFA))]++
	case entity.HardwareMFA:
		t := c.tokens[entity.FoldName(d.Serial)]
		if t == nil || t.Account != d.Account || t.Owner != d.Owner || d.Owner == "" || !bytes.Equal(t.Sealed, d.Sealed) {
			c.problem("it and its token in the inventory do not agree")
		}
	case entity.FIDOMFA:
		if d.Owner == "" || d.FIDO == nil {
			c.problem("a security key without an owner or without its registration")
		}
	default:
		c.problem("it is of the type %q, which nobody knows", d.Type)
	}
}

// rest reads every other record, and sees to it that there is none that nobody knows.
func (c *check) rest() error {
	for e, err := range c.r.Range(nil) {
		if err != nil {
			return wrap(err)
		}
		c.stats.Records++
		c.current = e.Key
		parts, err := keyenc.Decode(e.Key)
		if err != nil || len(parts) < 2 {
			c.problem("a key that nobody knows")
			continue
		}
		if err := c.other(parts, e.Value); err != nil {
			c.problem("the record cannot be read: %v", err)
		}
	}
	for account, jobs := range c.open {
		c.current = entity.OpenJobsKey(account)
		c.problem("it does not agree with the reports that have no end: %s", strings.Join(jobs, ", "))
	}
	return nil
}

// other reads a record of a plane that nothing refers to.
func (c *check) other(parts []any, value []byte) error {
	id, _ := parts[len(parts)-1].(string)
	account, _ := parts[min(2, len(parts)-1)].(string)
	switch plane := fmt.Sprint(parts[0], " ", parts[1]); plane {
	case "id account", "id user", "id group", "id role", "id policy", "id key", "id item", "id epoch",
		"ix name", "ix uid", "ix alias", "ix count", "otp token": // these were read
	case "use key", "use role", "use password":
		u, err := entity.Decode[entity.Usage](value)
		if err != nil {
			return err
		}
		c.saw(u.At)
		if plane == "use password" && c.items[string(entity.ItemKey(account, entity.KindLoginProfile, id))] == nil ||
			plane != "use password" && c.keys[id] == nil && !c.others[id] {
			c.problem("it is about something that is gone")
		}
	case "use access":
		_, err := entity.Decode[entity.Access](value)
		return err
	case "otp used":
		_, err := entity.Decode[entity.OneTime](value)
		if err == nil && !c.serials[id] {
			c.problem("it is about a device that is gone")
		}
		return err
	case "otp saml":
		_, err := entity.Decode[entity.UsedAssertion](value)
		return err
	case "job part":
		_, err := entity.Decode[entity.ReportPart](value)
		return err
	case "job open":
		return c.openJobs(id, value)
	case "job credentials":
		r, err := entity.Decode[entity.CredentialReport](value)
		if err == nil && r.MadeAt.IsZero() {
			c.job(r.Account, "credentials")
		}
		return err
	case "job access":
		r, err := entity.Decode[entity.AccessReport](value)
		if err == nil && r.EndedAt.IsZero() {
			c.job(r.Account, r.Job)
		}
		return err
	default:
		switch parts[0] {
		case "out":
			if nanos, ok := parts[max(1, len(parts)-2)].(uint64); ok && len(value) > 0 { // behind the node whose it is, if any
				c.saw(time.Unix(0, int64(nanos)))
			} else {
				c.problem("it is no event")
			}
		case "iss":
			_, err := entity.Decode[entity.IssuerKeys](value)
			if err == nil && !c.accounts[id] {
				c.problem("it is of the account %q, which does not exist", id)
			}
			return err
		case "sys", "ec", "node": // what the node reads at its start; ElastiCache's own; signs of life
		default:
			c.problem("a key that nobody knows")
		}
	}
	return nil
}

// job notes a report without an end, or one that is said to be without: what is noted twice agrees.
func (c *check) job(account, id string) {
	if i := slices.Index(c.open[account], id); i >= 0 {
		if c.open[account] = slices.Delete(c.open[account], i, i+1); len(c.open[account]) == 0 {
			delete(c.open, account)
		}
		return
	}
	c.open[account] = append(c.open[account], id)
}

func (c *check) openJobs(account string, value []byte) error {
	o, err := entity.Decode[entity.OpenJobs](value)
	if err != nil {
		return err
	}
	if o.Credentials {
		c.job(account, "credentials")
	}
	for _, id := range slices.Concat(o.Access, o.Organization) {
		c.job(account, id)
	}
	return nil
}
