package history

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"
)

// Policy is the managed policy that is attached and detached.
const Policy = "arn:aws:iam::aws:policy/ReadOnlyAccess"

// Names of what users are given.
const (
	inlineName = "history"
	tagKey     = "history"
)

// Workload is many clients that each make random calls, one after the other.
type Workload struct {
	Recorder *Recorder
	// Nodes give the client for each node; nil while the node is down. Each must belong to the same account.
	Nodes   []func() *iam.Client
	Clients int
	Users   int           // how many names they share
	Prefix  string        // of the names
	Timeout time.Duration // of one call; zero means ten seconds
	Seed    uint64
	// MaxUnknown is how many changes of unknown outcome a user may have before it is only read; zero is no bound. Each may have happened at
	// any later time, and with several nodes the search for an order that tries them all takes too long.
	MaxUnknown int
}

// Run makes calls until ctx ends, and returns when the last one has been answered or given up.
func (w *Workload) Run(ctx context.Context) {
	if w.Timeout == 0 {
		w.Timeout = 10 * time.Second
	}
	var clients sync.WaitGroup
	for i := range w.Clients {
		clients.Go(func() { w.client(ctx, i) })
	}
	clients.Wait()
}

func (w *Workload) client(ctx context.Context, number int) {
	r := rand.New(rand.NewPCG(w.Seed, uint64(number)))
	quiet := time.Duration(0)
	for n := 0; ctx.Err() == nil; n++ {
		c := Call{
			Kind: pick(r), User: w.Prefix + fmt.Sprint(r.IntN(w.Users)), Value: fmt.Sprintf("%d-%d", number, n), Node: r.IntN(len(w.Nodes)),
		}
		if w.MaxUnknown > 0 && c.Kind.writes() && w.Recorder.unknownOf(c.User) >= w.MaxUnknown {
			c.Kind = [...]Kind{Get, Shown, Listed}[n%3]
		}
		a := Answer{Outcome: None}
		if node := w.Nodes[c.Node](); node != nil {
			a = w.call(number, node, c)
		}
		// Where a node cannot answer, asking it at once again only makes the history unreadable.
		if a.Outcome != Unknown && a.Outcome != None {
			quiet = 0
			continue
		}
		quiet = min(max(2*quiet, 20*time.Millisecond), 2*time.Second)
		t := time.NewTimer(quiet)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}

// pick prefers what keeps users alive for a while.
func pick(r *rand.Rand) Kind {
	return [...]Kind{Create, Create, Create, Delete, Delete, Get, Get, Get, Get, Tag, Tag, Put, Put, Unput, Unput, Unput, Shown, Shown, Attach, Detach, Detach, Detach, Listed, Listed}[r.IntN(24)]
}

// call makes one call and records it. It is not given up with the workload: a call that is under way gets its answer.
func (w *Workload) call(client int, node *iam.Client, c Call) Answer {
	ctx, cancel := context.WithTimeout(context.Background(), w.Timeout)
	defer cancel()
	began := w.Recorder.now()
	a := outcome(Make(ctx, node, c))
	w.Recorder.Record(client, c, began, a)
	return a
}

// Finally reads every user of the workload on a node, as it must be when all is quiet, and records that.
func (w *Workload) Finally(node int) error {
	client := w.Nodes[node]()
	if client == nil {
		return fmt.Errorf("node %d is down", node)
	}
	for i := range w.Users {
		for _, k := range []Kind{Get, Shown, Listed} {
			if a := w.call(-1, client, Call{Kind: k, User: w.Prefix + fmt.Sprint(i), Node: node, Last: true}); a.Outcome == Unknown || a.Outcome == None {
				return fmt.Errorf("the final %s on node %d has no answer", k, node)
			}
		}
	}
	return nil
}

// Make makes one call of the API.
func Make(ctx context.Context, by *iam.Client, c Call) (Answer, error) {
	once := func(o *iam.Options) { o.Retryer = aws.NopRetryer{} }
	name, policy, inline := &c.User, aws.String(Policy), aws.String(inlineName)
	switch c.Kind {
	case Create:
		out, err := by.CreateUser(ctx, &iam.CreateUserInput{UserName: name}, once)
		if err != nil {
			return Answer{}, err
		}
		return Answer{ID: *out.User.UserId}, nil
	case Delete:
		_, err := by.DeleteUser(ctx, &iam.DeleteUserInput{UserName: name}, once)
		return Answer{}, err
	case Get:
		out, err := by.GetUser(ctx, &iam.GetUserInput{UserName: name}, once)
		if err != nil {
			return Answer{}, err
		}
		a := Answer{ID: *out.User.UserId}
		for _, t := range out.User.Tags {
			a.Value += *t.Value
		}
		return a, nil
	case Tag:
		_, err := by.TagUser(ctx, &iam.TagUserInput{UserName: name, Tags: []types.Tag{{Key: aws.String(tagKey), Value: &c.Value}}}, once)
		return Answer{}, err
	case Put:
		document := `{"Version":"2012-10-17","Id":"` + c.Value + `","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
		_, err := by.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: name, PolicyName: inline, PolicyDocument: &document}, once)
		return Answer{}, err
	case Unput:
		_, err := by.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: name, PolicyName: inline}, once)
		return Answer{}, err
	case Shown:
		out, err := by.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: name, PolicyName: inline}, once)
		if err != nil {
			return Answer{}, err
		}
		_, rest, _ := strings.Cut(*out.PolicyDocument, "%22Id%22%3A%22")
		id, _, found := strings.Cut(rest, "%22")
		if !found {
			return Answer{}, fmt.Errorf("another document: %s", *out.PolicyDocument)
		}
		return Answer{Value: id}, nil
	case Attach:
		_, err := by.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: name, PolicyArn: policy}, once)
		return Answer{}, err
	case Detach:
		_, err := by.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: name, PolicyArn: policy}, once)
		return Answer{}, err
	case Listed:
		out, err := by.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: name}, once)
		if err != nil {
			return Answer{}, err
		}
		if len(out.AttachedPolicies) > 0 {
			return Answer{Value: "yes"}, nil
		}
		return Answer{}, nil
	case kinds:
	}
	return Answer{}, fmt.Errorf("there is no operation %d", c.Kind)
}

// outcome reads an error: what the API said about the state, what cannot have happened, and what nobody knows.
func outcome(a Answer, err error) Answer {
	if err == nil {
		return a
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		switch api.ErrorCode() {
		case "NoSuchEntity":
			return Answer{Outcome: Missing}
		case "EntityAlreadyExists":
			return Answer{Outcome: Exists}
		case "DeleteConflict":
			return Answer{Outcome: InUse}
		case "ConcurrentModification", "Throttling":
			return Answer{Outcome: None}
		}
		return Answer{Outcome: Unknown}
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return Answer{Outcome: None} // nobody was there to send it to
	}
	return Answer{Outcome: Unknown}
}
