package directory

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/policy"
)

// How long a delegation request lives in a state ("Understanding the Request Lifecycle", IAM User Guide), and how long sessions of
// one that the root user accepts may last ("IAM temporary delegation").
const (
	unassignedLife  = 24 * time.Hour
	delegationLife  = 7 * 24 * time.Hour
	rootDelegation  = 4 * time.Hour
	maxRequestor    = 30 // characters of a requestor's name
	maxDelegated    = 10240
	delegationsKept = delegationLife
)

// PutDelegationTemplate registers a policy that an account may ask other accounts for, in place of one of the same name. It is the
// operator's verb. Requests that were made from the old text keep it.
func (tx *Tx) PutDelegationTemplate(account, name, text string) (t *entity.DelegationTemplate, err error) {
	defer tx.note(&err)
	acct, err := tx.account(account)
	if err != nil {
		return nil, err
	}
	if err := checkName("templateName", name, maxPolicyName); err != nil {
		return nil, err
	}
	if len(text) > maxDelegated || !json.Valid([]byte(text)) {
		return nil, fault.New(fault.InvalidInput, "A template must be JSON of at most %d bytes.", maxDelegated)
	}
	t, err = item[entity.DelegationTemplate](tx, account, name)
	if err != nil {
		return nil, err
	}
	if t != nil {
		t.Policy = text
		tx.putItem(t)
		return t, nil
	}
	t = &entity.DelegationTemplate{Account: account, Name: name, Policy: text, CreatedAt: tx.now}
	return t, tx.addItem(acct, t, "")
}

// DeleteDelegationTemplate takes a template away; requests made from it stay.
func (tx *Tx) DeleteDelegationTemplate(account, name string) (err error) {
	defer tx.note(&err)
	t, err := item[entity.DelegationTemplate](tx, account, name)
	if err != nil {
		return err
	}
	if t == nil {
		return fault.New(fault.NotFound, "The delegation template with name %s cannot be found.", name)
	}
	return tx.dropItem(t)
}

// Delegate is who acts on a delegation request.
type Delegate struct {
	Account string
	ARN     string
	ID      string // unique ID
	Root    bool
}

// NewDelegationRequest is a request to be made; see entity.DelegationRequest.
type NewDelegationRequest struct {
	Workflow, Description, Message, RedirectURL, Channel string
	Template                                             string // ARN
	Parameters                                           []entity.DelegationParameter
	Duration                                             time.Duration
	OwnerAccount                                         string // empty: of whoever associates it with themselves
	OwnerSends                                           bool
	Spent                                                []string // IDs of the account's requests that may be long expired: those that are go
}

// CreateDelegationRequest makes a request. Its account must have the template.
func (tx *Tx) CreateDelegationRequest(account string, n NewDelegationRequest) (r *entity.DelegationRequest, err error) {
	defer tx.note(&err)
	acct, err := tx.account(account)
	if err != nil {
		return nil, err
	}
	for _, id := range n.Spent {
		if err := tx.dropSpent(account, id); err != nil {
			return nil, err
		}
	}
	if !isTopicARN(n.Channel) {
		return nil, fault.New(fault.InvalidInput, "The notification channel %s is not the ARN of an SNS topic.", n.Channel)
	}
	if n.OwnerAccount != "" {
		if _, err := tx.account(n.OwnerAccount); fault.KindOf(err) == fault.NotFound {
			return nil, fault.New(fault.InvalidInput, "The owner account %s is not valid.", n.OwnerAccount)
		} else if err != nil {
			return nil, err
		}
	}
	r = &entity.DelegationRequest{
		Account: account, Workflow: n.Workflow, Requestor: cutName(acct.Name), Description: n.Description, Message: n.Message, RedirectURL: n.RedirectURL,
		Channel: n.Channel, Template: n.Template, Parameters: n.Parameters, Duration: n.Duration, OwnerSends: n.OwnerSends, OwnerAccount: n.OwnerAccount,
		CreatedAt: tx.now, UpdatedAt: tx.now, ExpiresAt: tx.now.Add(unassignedLife), State: entity.DelegationUnassigned,
	}
	if err := tx.fillTemplate(r); err != nil {
		return nil, err
	}
	uuid, err := tx.newUUID()
	if err != nil {
		return nil, err
	}
	r.ID = account + "-" + uuid
	if taken, err := tx.named(account, r.Kind(), r.Place().Name); err != nil {
		return nil, err
	} else if taken != nil {
		return nil, fault.New(fault.Exists, "A delegation request with the workflow ID %s already exists.", n.Workflow)
	}
	return r, tx.addItem(acct, r, DelegationRequestsQuota)
}

// dropSpent takes out a request that expired long enough ago.
func (tx *Tx) dropSpent(account, id string) error {
	r, err := read[entity.DelegationRequest](tx, entity.ItemKey(account, entity.KindDelegationRequest, id))
	if err != nil || r == nil || tx.now.Before(r.ExpiresAt.Add(delegationsKept)) {
		return err
	}
	if r.Owner != "" {
		a := &entity.DelegationAssignment{Account: r.OwnerAccount, Request: id}
		if err := tx.dropItem(a); err != nil {
			return err
		}
	}
	return tx.dropItem(r)
}

// isTopicARN: arn:aws:sns:us-east-1:111122223333:topic.
func isTopicARN(text string) bool {
	parts := strings.Split(text, ":")
	return len(parts) == 6 && parts[0] == "arn" && parts[1] == entity.Partition && parts[2] == "sns" && parts[3] != "" && isAccountID(parts[4]) && parts[5] != ""
}

func cutName(name string) string {
	if runes := []rune(name); len(runes) > maxRequestor {
		return string(runes[:maxRequestor])
	}
	return name
}

// fillTemplate writes the policy of a request: its template with the parameters in place of the placeholders.
func (tx *Tx) fillTemplate(r *entity.DelegationRequest) error {
	none := fault.New(fault.InvalidInput, "The policy template %s is not registered for account %s.", r.Template, r.Account)
	name, ok := strings.CutPrefix(r.Template, (&entity.DelegationTemplate{Account: r.Account}).ARN())
	if !ok {
		return none
	}
	t, err := item[entity.DelegationTemplate](tx, r.Account, name)
	if err != nil {
		return err
	}
	if t == nil || t.Name != name {
		return none
	}
	filled, err := FillDelegationTemplate(t.Policy, r.Parameters)
	if err != nil {
		return err
	}
	doc, err := checkDocument(policy.Identity, filled)
	if err == nil && len(filled) > maxDelegated {
		err = fault.New(fault.InvalidInput, "The policy is longer than %d bytes.", maxDelegated)
	}
	if err != nil {
		return fault.New(fault.InvalidInput, "The policy template does not make a valid policy with these parameters: %s", fault.MessageOf(err))
	}
	r.Policy, r.Boundaries = filled, demandedBoundaries(doc)
	return nil
}

// FillDelegationTemplate puts parameters into a template: a JSON document in which @{name} stands inside strings. A list goes where a
// string is the placeholder and nothing else. Every placeholder needs its parameter and every parameter its placeholder.
func FillDelegationTemplate(template string, parameters []entity.DelegationParameter) (string, error) {
	values := make(map[string]*entity.DelegationParameter, len(parameters))
	for i := range parameters {
		p := &parameters[i]
		if values[p.Name] != nil || !p.List && len(p.Values) != 1 || p.List && len(p.Values) == 0 {
			return "", fault.New(fault.InvalidInput, "The parameter %s is given twice, or does not have the values of its type.", p.Name)
		}
		values[p.Name] = p
	}
	dec := json.NewDecoder(strings.NewReader(template))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return "", fault.New(fault.InvalidInput, "The policy template is not JSON.")
	}
	used := make(map[string]bool)
	tree, err := fill(tree, values, used)
	if err != nil {
		return "", err
	}
	for name := range values {
		if !used[name] {
			return "", fault.New(fault.InvalidInput, "The policy template has no parameter %s.", name)
		}
	}
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(tree); err != nil {
		return "", fault.Wrap(err, "writing a filled template")
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}

// fill replaces placeholders in the strings of a JSON value. Names of members stay.
func fill(v any, values map[string]*entity.DelegationParameter, used map[string]bool) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			filled, err := fill(member, values, used)
			if err != nil {
				return nil, err
			}
			v[name] = filled
		}
	case []any:
		var all []any
		for _, element := range v {
			filled, err := fill(element, values, used)
			if err != nil {
				return nil, err
			}
			if list, ok := filled.([]any); ok {
				if _, wasText := element.(string); wasText {
					all = append(all, list...) // a list in a list of strings
					continue
				}
			}
			all = append(all, filled)
		}
		if all == nil {
			all = []any{}
		}
		return all, nil
	case string:
		return fillText(v, values, used)
	}
	return v, nil
}

func fillText(text string, values map[string]*entity.DelegationParameter, used map[string]bool) (any, error) {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "@{")
		out.WriteString(before)
		if !ok {
			return out.String(), nil
		}
		name, after, ok := strings.Cut(rest, "}")
		if !ok {
			return nil, fault.New(fault.InvalidInput, "The policy template has a placeholder without an end.")
		}
		p := values[name]
		if p == nil {
			return nil, fault.New(fault.InvalidInput, "The parameter %s of the policy template is missing.", name)
		}
		used[name] = true
		if p.List {
			if out.Len() > 0 || after != "" {
				return nil, fault.New(fault.InvalidInput, "The parameter %s is a list and stands inside a text of the policy template.", name)
			}
			list := make([]any, len(p.Values))
			for i, value := range p.Values {
				list[i] = value
			}
			return list, nil
		}
		out.WriteString(p.Values[0])
		text = after
	}
}

// demandedBoundaries are the permissions boundaries that a policy's permissions to make roles demand.
func demandedBoundaries(doc *policy.Document) (arns []string) {
	for i := range doc.Statements {
		st := &doc.Statements[i]
		creates := slices.ContainsFunc(st.Actions.Values, func(v policy.Value) bool { return strings.EqualFold(v.Text, "iam:CreateRole") })
		if st.Effect != policy.Allow || st.Actions.Not || !creates {
			continue
		}
		for _, c := range st.Conditions {
			for _, k := range c.Tests {
				if !strings.EqualFold(k.Key.Text, "iam:PermissionsBoundary") {
					continue
				}
				for _, v := range k.Values {
					if !slices.Contains(arns, v.Text) {
						arns = append(arns, v.Text)
					}
				}
			}
		}
	}
	return arns
}

// AssociateDelegationRequest makes who the owner of a request that has none. A request that was made for another account is not there.
func (tx *Tx) AssociateDelegationRequest(id string, who Delegate) (r *entity.DelegationRequest, err error) {
	defer tx.note(&err)
	r, err = tx.delegationRequest(id, who.Account)
	if err != nil {
		return nil, err
	}
	if state := r.StateAt(tx.now); state != entity.DelegationUnassigned {
		return nil, wrongState(state, "associated")
	}
	acct, err := tx.account(who.Account)
	if err != nil {
		return nil, err
	}
	r.OwnerAccount, r.Owner, r.OwnerID = who.Account, who.ARN, who.ID
	tx.moveDelegation(r, entity.DelegationAssigned)
	return r, tx.addItem(acct, &entity.DelegationAssignment{Account: who.Account, Request: id}, "")
}

// UpdateDelegationRequest forwards a request to whoever may accept it.
func (tx *Tx) UpdateDelegationRequest(id string, who Delegate, notes *string) (r *entity.DelegationRequest, err error) {
	defer tx.note(&err)
	r, err = tx.ownedRequest(id, who, "updated", entity.DelegationAssigned, entity.DelegationPending)
	if err != nil {
		return nil, err
	}
	if notes != nil {
		r.Notes = *notes
	}
	tx.moveDelegation(r, entity.DelegationPending)
	return r, nil
}

// AcceptDelegationRequest approves a request. Who does is whom the delegated session will act for.
func (tx *Tx) AcceptDelegationRequest(id string, who Delegate) (r *entity.DelegationRequest, err error) {
	defer tx.note(&err)
	r, err = tx.ownedRequest(id, who, "accepted", entity.DelegationAssigned, entity.DelegationPending)
	if err != nil {
		return nil, err
	}
	if who.Root && r.Duration > rootDelegation {
		return nil, fault.New(fault.Denied, "The root user can accept delegation requests for at most 4 hours.")
	}
	r.Approver, r.ApproverID = who.ARN, who.ID
	tx.moveDelegation(r, entity.DelegationAccepted)
	return r, nil
}

// RejectDelegationRequest refuses a request, also one that was accepted and whose token is not sent.
func (tx *Tx) RejectDelegationRequest(id string, who Delegate, notes *string) (r *entity.DelegationRequest, err error) {
	defer tx.note(&err)
	r, err = tx.ownedRequest(id, who, "rejected", entity.DelegationAssigned, entity.DelegationPending, entity.DelegationAccepted)
	if err != nil {
		return nil, err
	}
	if notes != nil {
		r.Rejection = *notes
	}
	tx.moveDelegation(r, entity.DelegationRejected)
	return r, nil
}

// DelegationClaims is what an exchange token says, sealed.
type DelegationClaims struct {
	Request   string // ID
	Requestor string // account
	Owner     string // account
	Approver  string // unique ID of whom the session acts for
	Expires   time.Time
}

// DelegationToken is the exchange token of a finalized request, as its requestor gets it: the request's ID, a dot, and the sealed claims.
func DelegationToken(r *entity.DelegationRequest) secret.Text {
	return secret.New(r.ID + "." + base64.RawURLEncoding.EncodeToString(r.Token))
}

// maxDelegationToken is longer than any exchange token, in characters.
const maxDelegationToken = 2048

// OpenDelegationToken reads an exchange token. It looks at no clock and at no record: the token may be past its time, and its request
// may be gone.
func OpenDelegationToken(ring *seal.Ring, token string) (*DelegationClaims, error) {
	id, body, ok := strings.Cut(token, ".")
	if !ok || len(token) > maxDelegationToken || strings.ContainsAny(body, "\r\n") {
		return nil, errors.New("directory: not an exchange token")
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil {
		return nil, fmt.Errorf("directory: an exchange token: %w", err)
	}
	text, err := ring.Open(seal.DelegationToken, sealed, []byte(id))
	if err != nil {
		return nil, fmt.Errorf("directory: an exchange token: %w", err)
	}
	var c DelegationClaims
	if err := json.Unmarshal(text, &c); err != nil || c.Request != id {
		return nil, errors.Join(errors.New("directory: an exchange token that says something else"), err)
	}
	return &c, nil
}

// SendDelegationToken finalizes an accepted request: its time begins, and the record has the exchange token.
func (tx *Tx) SendDelegationToken(id string, who Delegate) (r *entity.DelegationRequest, err error) {
	defer tx.note(&err)
	r, err = tx.ownedRequest(id, who, "finalized", entity.DelegationAccepted)
	if err != nil {
		return nil, err
	}
	if r.OwnerSends && !r.IsOwner(who.ARN, who.ID) {
		return nil, fault.New(fault.Denied, "Only the owner of the delegation request can send its token.")
	}
	tx.moveDelegation(r, entity.DelegationFinalized)
	claims, err := json.Marshal(DelegationClaims{Request: r.ID, Requestor: r.Account, Owner: r.OwnerAccount, Approver: r.ApproverID, Expires: tx.now.Add(r.Duration)})
	if err != nil {
		return nil, fault.Wrap(err, "writing an exchange token")
	}
	if r.Token, err = tx.d.ring.Seal(seal.DelegationToken, claims, []byte(r.ID)); err != nil {
		return nil, fault.Wrap(err, "sealing an exchange token")
	}
	tx.putItem(r)
	return r, nil
}

// moveDelegation puts a request into a state and gives it that state's time.
func (tx *Tx) moveDelegation(r *entity.DelegationRequest, to entity.DelegationState) {
	r.State, r.UpdatedAt, r.ExpiresAt = to, tx.now, tx.now.Add(delegationLife)
	tx.putItem(r)
}

// ownedRequest returns a request that somebody in who's account owns and that is in one of some states.
func (tx *Tx) ownedRequest(id string, who Delegate, doing string, in ...entity.DelegationState) (*entity.DelegationRequest, error) {
	r, err := tx.delegationRequest(id, who.Account)
	if err != nil {
		return nil, err
	}
	if state := r.StateAt(tx.now); !slices.Contains(in, state) {
		return nil, wrongState(state, doing)
	}
	return r, nil
}

// delegationRequest returns a request that an account may know of.
func (tx *Tx) delegationRequest(id, account string) (*entity.DelegationRequest, error) {
	requestor, _, _ := strings.Cut(id, "-")
	r, err := read[entity.DelegationRequest](tx, entity.ItemKey(requestor, entity.KindDelegationRequest, id))
	if err != nil {
		return nil, err
	}
	if r == nil || !r.KnownTo(account) {
		return nil, NoDelegationRequest(id)
	}
	return r, nil
}

// NoDelegationRequest is the error for a request that is not there, or not for the caller.
func NoDelegationRequest(id string) error {
	return fault.New(fault.NotFound, "The delegation request %s cannot be found.", id)
}

func wrongState(state entity.DelegationState, doing string) error {
	return fault.New(fault.InvalidInput, "The delegation request is in the state %s and cannot be %s.", state, doing)
}
