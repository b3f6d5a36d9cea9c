package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	recipe "go.etcd.io/etcd/client/v3/experimental/recipes"
)

func (t *T) session(options ...concurrency.SessionOption) *concurrency.Session {
	session, err := concurrency.NewSession(t.Client, append(options, concurrency.WithTTL(10))...)
	t.ok(err)
	return session
}

// each runs work in n goroutines with a session each, and tells the first failure.
func (t *T) each(n int, work func(i int, session *concurrency.Session) error) {
	errs := make(chan error, n)
	for i := range n {
		session := t.session()
		go func() {
			defer session.Close()
			errs <- work(i, session)
		}()
	}
	for range n {
		t.ok(<-errs)
	}
}

var recipeChecks = []check{
	{"a mutex is held by one at a time", func(t *T) {
		var holders, turns atomic.Int32
		t.each(5, func(_ int, session *concurrency.Session) error {
			mutex := concurrency.NewMutex(session, "mutex/")
			for range 4 {
				if err := mutex.Lock(t); err != nil {
					return err
				}
				if holders.Add(1) != 1 {
					return fmt.Errorf("two hold it")
				}
				held, err := t.Txn(t).If(mutex.IsOwner()).Then(clientv3.OpPut("guarded", mutex.Key())).Commit()
				if err != nil || !held.Succeeded {
					return fmt.Errorf("the holder is not the owner: %v", err)
				}
				turns.Add(1)
				holders.Add(-1)
				if err := mutex.Unlock(t); err != nil {
					return err
				}
			}
			return nil
		})
		t.equal(turns.Load(), 20)
	}},
	{"who tries a mutex that is held is told", func(t *T) {
		one, two := t.session(), t.session()
		defer one.Close()
		defer two.Close()
		held, wanted := concurrency.NewMutex(one, "try/"), concurrency.NewMutex(two, "try/")
		t.ok(held.TryLock(t))
		t.is(wanted.TryLock(t), concurrency.ErrLocked)
		t.ok(held.Unlock(t))
		t.ok(wanted.TryLock(t))
		t.ok(one.Close())
		t.is(held.Lock(t), rpctypes.ErrLeaseNotFound)
		locker := concurrency.NewLocker(two, "locker/")
		locker.Lock()
		locker.Unlock()
	}},
	{"a session that is orphaned leaves its lock with its lease", func(t *T) {
		lease, err := t.Grant(t, 5)
		t.ok(err)
		session := t.session(concurrency.WithLease(lease.ID))
		t.ok(concurrency.NewMutex(session, "orphan/").Lock(t))
		session.Orphan()
		<-session.Done()
		_, err = t.Revoke(t, lease.ID)
		t.ok(err)
		next := t.session()
		defer next.Close()
		t.ok(concurrency.NewMutex(next, "orphan/").Lock(t))
	}},
	{"an election has one leader, whom observers see", func(t *T) {
		watcher := t.session()
		defer watcher.Close()
		ctx, stop := context.WithCancel(t)
		defer stop()
		seen := concurrency.NewElection(watcher, "election/").Observe(ctx)
		t.each(3, func(i int, session *concurrency.Session) error {
			election := concurrency.NewElection(session, "election/")
			name := fmt.Sprint("candidate ", i)
			if err := election.Campaign(t, name); err != nil {
				return err
			}
			leader, err := election.Leader(t)
			if err != nil || string(leader.Kvs[0].Value) != name {
				return fmt.Errorf("%s leads, but %v is said to: %v", name, leader, err)
			}
			if err := election.Proclaim(t, name+" speaks"); err != nil {
				return err
			}
			return election.Resign(t)
		})
		first := <-seen
		if !strings.HasPrefix(string(first.Kvs[0].Value), "candidate ") {
			t.failf("seen: %v", first)
		}
		_, err := concurrency.NewElection(watcher, "election/").Leader(t)
		t.is(err, concurrency.ErrElectionNoLeader)
		resumed := concurrency.NewElection(watcher, "election/")
		t.ok(resumed.Campaign(t, "me"))
		again := concurrency.ResumeElection(watcher, "election/", resumed.Key(), resumed.Rev())
		t.ok(again.Proclaim(t, "still me"))
		t.ok(again.Resign(t))
	}},
	{"money moved by software transactions is neither made nor lost", func(t *T) {
		const accounts, start = 5, 100
		for i := range accounts {
			t.put(fmt.Sprint("bank/", i), strconv.Itoa(start))
		}
		var workers sync.WaitGroup
		errs := make(chan error, 100)
		levels := []concurrency.Isolation{concurrency.SerializableSnapshot, concurrency.Serializable, concurrency.RepeatableReads}
		for w := range 6 {
			workers.Add(1)
			go func() {
				defer workers.Done()
				for i := range 10 {
					from, to := fmt.Sprint("bank/", (w+i)%accounts), fmt.Sprint("bank/", (w+i*2+1)%accounts)
					if from == to {
						continue
					}
					err := rpctypes.ErrFutureRev
					// The reads after the first ask any member for the first one's revision, which a
					// follower may not have applied yet.
					for errors.Is(err, rpctypes.ErrFutureRev) {
						_, err = concurrency.NewSTM(t.Client, func(stm concurrency.STM) error {
							a, _ := strconv.Atoi(stm.Get(from))
							b, _ := strconv.Atoi(stm.Get(to))
							stm.Put(from, strconv.Itoa(a-7))
							stm.Put(to, strconv.Itoa(b+7))
							return nil
						}, concurrency.WithAbortContext(t), concurrency.WithPrefetch(from), concurrency.WithIsolation(levels[w%3]))
					}
					if err != nil {
						errs <- err
					}
				}
			}()
		}
		workers.Wait()
		select {
		case err := <-errs:
			t.failf("%v", err)
		default:
		}
		sum := 0
		for i := range accounts {
			n, err := strconv.Atoi(t.get(fmt.Sprint("bank/", i)))
			t.ok(err)
			sum += n
		}
		t.equal(sum, accounts*start)
	}},
	{"queues, barriers and read-write locks are built of it", func(t *T) {
		queue := recipe.NewQueue(t.Client, "queue")
		var expected, got []string
		for i := range 10 {
			expected = append(expected, fmt.Sprint(i))
			t.ok(queue.Enqueue(fmt.Sprint(i)))
		}
		for range 10 {
			item, err := queue.Dequeue()
			t.ok(err)
			got = append(got, item)
		}
		sort.Strings(got)
		t.equal(got, expected)
		urgent := recipe.NewPriorityQueue(t.Client, "urgent")
		t.ok(urgent.Enqueue("late", 9))
		t.ok(urgent.Enqueue("early", 1))
		item, err := urgent.Dequeue()
		t.ok(err)
		t.equal(item, "early")

		barrier := recipe.NewBarrier(t.Client, "barrier")
		t.ok(barrier.Hold())
		passed := make(chan error)
		go func() { passed <- recipe.NewBarrier(t.Client, "barrier").Wait() }()
		t.ok(barrier.Release())
		t.ok(<-passed)
		t.each(3, func(_ int, session *concurrency.Session) error {
			double := recipe.NewDoubleBarrier(session, "double", 3)
			if err := double.Enter(); err != nil {
				return err
			}
			return double.Leave()
		})

		one, two := t.session(), t.session()
		defer one.Close()
		defer two.Close()
		reader, other, writer := recipe.NewRWMutex(one, "rw"), recipe.NewRWMutex(two, "rw"), recipe.NewRWMutex(two, "rw")
		t.ok(reader.RLock())
		t.ok(other.RLock())
		t.ok(other.RUnlock())
		locked := make(chan error)
		go func() { locked <- writer.Lock() }()
		t.ok(reader.RUnlock())
		t.ok(<-locked)
		t.ok(writer.Unlock())
		revision := t.put("awaited", "1")
		event, err := recipe.WaitEvents(t.Client, "awaited", revision, []mvccpb.Event_EventType{mvccpb.Event_PUT})
		t.ok(err)
		t.equal(string(event.Kv.Value), "1")
	}},
}
