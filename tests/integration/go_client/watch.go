package main

import (
	"context"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// take reads n events of a watch.
func (t *T) take(watch clientv3.WatchChan, n int) []*clientv3.Event {
	var events []*clientv3.Event
	for len(events) < n {
		select {
		case answer, open := <-watch:
			if !open || answer.Err() != nil {
				t.failf("the watch ended: %v", answer.Err())
			}
			events = append(events, answer.Events...)
		case <-t.Done():
			t.failf("%d of %d events came", len(events), n)
		}
	}
	return events
}

var watchChecks = []check{
	{"a watch tells creations, changes and deletions in order", func(t *T) {
		watch := t.Watch(t, "watch/", clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithCreatedNotify())
		if !(<-watch).Created {
			t.failf("no notice of the creation")
		}
		t.put("watch/a", "1")
		t.put("watch/a", "2")
		t.put("elsewhere", "x")
		_, err := t.Delete(t, "watch/a")
		t.ok(err)
		events := t.take(watch, 3)
		t.equal([]bool{events[0].IsCreate(), events[1].IsModify(), events[2].Type == clientv3.EventTypeDelete}, "[true true true]")
		t.equal(string(events[1].PrevKv.Value)+string(events[2].PrevKv.Value), "12")
	}},
	{"a watch begins in the past and goes on in the present", func(t *T) {
		first := t.put("past/0", "v")
		for i := 1; i < 200; i++ {
			t.put(fmt.Sprintf("past/%d", i), "v")
		}
		watch := t.Watch(t, "past/", clientv3.WithPrefix(), clientv3.WithRev(first))
		t.put("past/200", "v")
		for i, event := range t.take(watch, 201) {
			t.equal(string(event.Kv.Key), fmt.Sprintf("past/%d", i))
		}
	}},
	{"filters leave out puts or deletes", func(t *T) {
		first := t.put("filter", "1")
		_, err := t.Delete(t, "filter")
		t.ok(err)
		t.put("filter", "2")
		t.equal(t.take(t.Watch(t, "filter", clientv3.WithRev(first), clientv3.WithFilterPut()), 1)[0].Type, clientv3.EventTypeDelete)
		events := t.take(t.Watch(t, "filter", clientv3.WithRev(first), clientv3.WithFilterDelete()), 2)
		t.equal(string(events[0].Kv.Value)+string(events[1].Kv.Value), "12")
	}},
	{"a large revision comes whole, also in fragments", func(t *T) {
		var ops []clientv3.Op
		for i := range 100 {
			ops = append(ops, clientv3.OpPut(fmt.Sprintf("fragment/%d", i), strings.Repeat("x", 10000)))
		}
		done, err := t.Txn(t).Then(ops...).Commit()
		t.ok(err)
		watch := t.Watch(t, "fragment/", clientv3.WithPrefix(), clientv3.WithRev(done.Header.Revision), clientv3.WithFragment())
		t.equal(len(t.take(watch, 100)), 100)
	}},
	{"progress is told when asked for", func(t *T) {
		watch := t.Watch(clientv3.WithRequireLeader(t), "progress", clientv3.WithCreatedNotify(), clientv3.WithProgressNotify())
		<-watch
		revision := t.put("other", "1")
		// A follower tells what it has applied, which may be less than the leader has.
		t.until("the watch has progressed to the put", func() bool {
			t.ok(t.RequestProgress(clientv3.WithRequireLeader(t)))
			answer := <-watch
			t.equal(answer.IsProgressNotify(), true)
			return answer.Header.Revision >= revision
		})
	}},
	{"a watch of compacted history is told so", func(t *T) {
		first := t.put("history", "1")
		last := t.put("history", "2")
		_, err := t.Compact(t, last)
		t.ok(err)
		// A follower that has not applied the compaction yet still has the history.
		t.until("the watch is told", func() bool {
			ctx, cancel := context.WithCancel(t)
			defer cancel()
			answer := <-t.Watch(ctx, "history", clientv3.WithRev(first))
			if answer.Err() == nil {
				return false
			}
			t.is(answer.Err(), rpctypes.ErrCompacted)
			t.equal(answer.CompactRevision, last)
			return true
		})
	}},
	{"many watches share a stream and end one by one", func(t *T) {
		var watches []clientv3.WatchChan
		var cancels []context.CancelFunc
		for i := range 50 {
			ctx, cancel := context.WithCancel(t)
			defer cancel()
			watches = append(watches, t.Watch(ctx, fmt.Sprintf("many/%d", i), clientv3.WithCreatedNotify()))
			cancels = append(cancels, cancel)
		}
		for _, watch := range watches {
			<-watch
		}
		for i := 0; i < 50; i += 2 {
			cancels[i]()
			for range watches[i] {
			}
		}
		for i := range 50 {
			t.put(fmt.Sprintf("many/%d", i), fmt.Sprint(i))
		}
		for i := 1; i < 50; i += 2 {
			t.equal(string(t.take(watches[i], 1)[0].Kv.Value), fmt.Sprint(i))
		}
	}},
}
