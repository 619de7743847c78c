package nodes_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// TestTenNodesWrite has ten nodes make users at once, some of the same name: each name is given once, every node that made a user
// shows it at once, all nodes come to show all, and each call left one event in the whole cluster.
func TestTenNodesWrite(t *testing.T) {
	const nodes, each, same = 10, 5, 3
	w := newWorld(t, nodes)
	var mu sync.Mutex
	won := make(map[string]int)
	var all sync.WaitGroup
	for i, m := range w.nodes {
		all.Go(func() {
			client := m.iam()
			create := func(name string) {
				// A decision that another node's change overtakes is made again, a few times; then the client is asked to try again.
				var err error
				for range 20 {
					if _, err = client.CreateUser(w.ctx, &iam.CreateUserInput{UserName: &name}); code(err) != "ConcurrentModification" {
						break
					}
				}
				mine := err == nil
				switch code(err) {
				case "":
					mu.Lock()
					won[name]++
					mu.Unlock()
				case "EntityAlreadyExists":
				default:
					t.Errorf("node %d, %s: %v", i, name, err)
				}
				if _, err := client.GetUser(w.ctx, &iam.GetUserInput{UserName: &name}); mine && err != nil {
					t.Errorf("node %d does not show what it has made: %s: %v", i, name, err)
				}
			}
			for j := range each {
				create(fmt.Sprintf("own-%d-%d", i, j))
				if j < same {
					create(fmt.Sprintf("same-%d", j))
				}
			}
		})
	}
	all.Wait()
	if len(won) != nodes*each+same {
		t.Errorf("%d names were given", len(won))
	}
	for name, n := range won {
		if n != 1 {
			t.Errorf("%d nodes made %s", n, name)
		}
	}
	for i, m := range w.nodes {
		w.eventually(fmt.Sprintf("node %d shows all users", i), func() bool {
			out, err := m.iam().ListUsers(w.ctx, &iam.ListUsersInput{MaxItems: aws.Int32(1000)})
			return err == nil && len(out.Users) == len(won)
		})
	}
	events := make(map[string]int)
	w.eventually("every change has its event", func() bool {
		clear(events)
		n := 0
		for _, m := range w.nodes {
			list, err := m.Events(w.ctx, "")
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				if e.Name == "CreateUser" && e.ErrorCode == "" {
					events[e.ID]++
					n++
				}
			}
		}
		return n >= len(won)
	})
	if len(events) != len(won) {
		t.Errorf("%d events of %d changes", len(events), len(won))
	}
	for id, n := range events {
		if n != 1 {
			t.Errorf("event %s is there %d times", id, n)
		}
	}
}

// TestSessionsOfOtherNodes: what one node gives out, another one takes, and what one takes away is gone on another.
func TestSessionsOfOtherNodes(t *testing.T) {
	w := newWorld(t, 3)
	a, b, c := w.nodes[0], w.nodes[1], w.nodes[2]
	if _, err := a.iam().CreateUser(w.ctx, &iam.CreateUserInput{UserName: aws.String("ann")}); err != nil {
		t.Fatal(err)
	}
	key, err := a.iam().CreateAccessKey(w.ctx, &iam.CreateAccessKeyInput{UserName: aws.String("ann")})
	if err != nil {
		t.Fatal(err)
	}
	ann := static(*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey, "")
	// A key that a node has not heard of yet is looked up in the store.
	session, err := b.stsAs(ann).GetSessionToken(w.ctx, &sts.GetSessionTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	s := session.Credentials
	temporary := static(*s.AccessKeyId, *s.SecretAccessKey, *s.SessionToken)
	out, err := c.stsAs(temporary).GetCallerIdentity(w.ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains([]string{"arn:aws:iam::" + *out.Account + ":user/ann"}, *out.Arn) {
		t.Errorf("on another node it is %s", *out.Arn)
	}
	if _, err := c.iam().DeleteAccessKey(w.ctx, &iam.DeleteAccessKeyInput{UserName: aws.String("ann"), AccessKeyId: key.AccessKey.AccessKeyId}); err != nil {
		t.Fatal(err)
	}
	w.eventually("a deleted key is refused elsewhere", func() bool {
		_, err := a.stsAs(ann).GetCallerIdentity(w.ctx, &sts.GetCallerIdentityInput{})
		return code(err) == "InvalidClientTokenId"
	})
}
