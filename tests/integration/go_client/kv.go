package main

import (
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

var kvChecks = []check{
	{"a put is read, with versions and revisions", func(t *T) {
		first := t.put("kv/a", "1")
		second, err := t.Put(t, "kv/a", "2", clientv3.WithPrevKV())
		t.ok(err)
		t.equal(string(second.PrevKv.Value), "1")
		answer, err := t.Get(t, "kv/a")
		t.ok(err)
		kv := answer.Kvs[0]
		t.equal([]int64{kv.CreateRevision, kv.ModRevision, kv.Version}, []int64{first, second.Header.Revision, 2})
		old, err := t.Get(t, "kv/a", clientv3.WithRev(first))
		t.ok(err)
		t.equal(string(old.Kvs[0].Value), "1")
		_, err = t.Get(t, "kv/a", clientv3.WithRev(second.Header.Revision+1000))
		t.is(err, rpctypes.ErrFutureRev)
		_, err = t.Put(t, "", "v")
		t.is(err, rpctypes.ErrEmptyKey)
		_, err = t.Put(t, "kv/none", "", clientv3.WithIgnoreValue())
		t.is(err, rpctypes.ErrKeyNotFound)
	}},
	{"ranges are ordered, limited, counted and filtered", func(t *T) {
		var revisions []int64
		for i := range 10 {
			revisions = append(revisions, t.put(fmt.Sprintf("range/%d", i), fmt.Sprint(9-i)))
		}
		keys := func(options ...clientv3.OpOption) string {
			answer, err := t.Get(t, "range/", append(options, clientv3.WithPrefix())...)
			t.ok(err)
			var names []string
			for _, kv := range answer.Kvs {
				names = append(names, strings.TrimPrefix(string(kv.Key), "range/"))
			}
			return strings.Join(names, "") + fmt.Sprintf(" %d %v", answer.Count, answer.More)
		}
		t.equal(keys(), "0123456789 10 false")
		t.equal(keys(clientv3.WithLimit(3)), "012 10 true")
		t.equal(keys(clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend), clientv3.WithLimit(2)), "98 10 true")
		t.equal(keys(clientv3.WithSort(clientv3.SortByValue, clientv3.SortAscend)), "9876543210 10 false")
		t.equal(keys(clientv3.WithSort(clientv3.SortByModRevision, clientv3.SortDescend)), "9876543210 10 false")
		t.equal(keys(clientv3.WithMinModRev(revisions[7])), "789 10 false")
		t.equal(keys(clientv3.WithMaxCreateRev(revisions[1])), "01 10 false")
		t.equal(keys(clientv3.WithCountOnly()), " 10 false")
		t.equal(keys(clientv3.WithSerializable()), "0123456789 10 false")
		only, err := t.Get(t, "range/5", clientv3.WithRange("range/7"), clientv3.WithKeysOnly())
		t.ok(err)
		t.equal([]any{len(only.Kvs), len(only.Kvs[0].Value)}, []any{2, 0})
		from, err := t.Get(t, "range/8", clientv3.WithFromKey(), clientv3.WithLimit(1))
		t.ok(err)
		t.equal(string(from.Kvs[0].Key), "range/8")
		first, err := t.Get(t, "range/", clientv3.WithFirstCreate()...)
		t.ok(err)
		t.equal(string(first.Kvs[0].Key), "range/0")
		last, err := t.Get(t, "range/", clientv3.WithLastRev()...)
		t.ok(err)
		t.equal(string(last.Kvs[0].Key), "range/9")
	}},
	{"deletes say what they deleted", func(t *T) {
		for i := range 5 {
			t.put(fmt.Sprintf("del/%d", i), "v")
		}
		one, err := t.Delete(t, "del/0", clientv3.WithPrevKV())
		t.ok(err)
		t.equal([]any{one.Deleted, string(one.PrevKvs[0].Value)}, []any{1, "v"})
		rest, err := t.Delete(t, "del/", clientv3.WithPrefix())
		t.ok(err)
		t.equal(rest.Deleted, 4)
		none, err := t.Delete(t, "del/", clientv3.WithPrefix())
		t.ok(err)
		t.equal([]any{none.Deleted, none.Header.Revision}, []any{0, rest.Header.Revision})
	}},
	{"a transaction takes one branch, with nested ones in it", func(t *T) {
		t.put("txn/a", "1")
		txn := func() *clientv3.TxnResponse {
			answer, err := t.Txn(t).
				If(clientv3.Compare(clientv3.Value("txn/a"), "=", "1"),
					clientv3.Compare(clientv3.Version("txn/a"), ">", 0),
					clientv3.Compare(clientv3.CreateRevision("txn/none"), "=", 0),
					clientv3.Compare(clientv3.LeaseValue("txn/a"), "=", 0),
					clientv3.Compare(clientv3.Value("txn/"), "!=", "3").WithPrefix()).
				Then(clientv3.OpPut("txn/a", "2"), clientv3.OpGet("txn/a"),
					// Nested comparisons see what was before the whole.
					clientv3.OpTxn([]clientv3.Cmp{clientv3.Compare(clientv3.Value("txn/a"), "=", "1")},
						[]clientv3.Op{clientv3.OpPut("txn/b", "nested")}, nil)).
				Else(clientv3.OpDelete("txn/a")).Commit()
			t.ok(err)
			return answer
		}
		done := txn()
		t.equal(done.Succeeded, true)
		t.equal(string(done.Responses[1].GetResponseRange().Kvs[0].Value), "2")
		t.equal(done.Responses[2].GetResponseTxn().Succeeded, true)
		t.equal(t.get("txn/b"), "nested")
		done = txn()
		t.equal(done.Succeeded, false)
		t.equal(done.Responses[0].GetResponseDeleteRange().Deleted, 1)
		_, err := t.Txn(t).Then(clientv3.OpPut("txn/a", "1"), clientv3.OpPut("txn/a", "2")).Commit()
		t.is(err, rpctypes.ErrDuplicateKey)
		many := make([]clientv3.Op, 129)
		for i := range many {
			many[i] = clientv3.OpGet("txn/a")
		}
		_, err = t.Txn(t).Then(many...).Commit()
		t.is(err, rpctypes.ErrTooManyOps)
	}},
	{"compacted revisions are gone, others are not", func(t *T) {
		first := t.put("compact/a", "1")
		second := t.put("compact/a", "2")
		last := t.put("compact/a", "3")
		_, err := t.Compact(t, second, clientv3.WithCompactPhysical())
		t.ok(err)
		_, err = t.Get(t, "compact/a", clientv3.WithRev(first))
		t.is(err, rpctypes.ErrCompacted)
		_, err = t.Compact(t, first)
		t.is(err, rpctypes.ErrCompacted)
		_, err = t.Compact(t, last+1000)
		t.is(err, rpctypes.ErrFutureRev)
		kept, err := t.Get(t, "compact/a", clientv3.WithRev(second))
		t.ok(err)
		t.equal(string(kept.Kvs[0].Value), "2")
	}},
	{"operations go through Do", func(t *T) {
		_, err := t.Do(t, clientv3.OpPut("do/a", "1"))
		t.ok(err)
		answer, err := t.Do(t, clientv3.OpGet("do/a"))
		t.ok(err)
		t.equal(string(answer.Get().Kvs[0].Value), "1")
		answer, err = t.Do(t, clientv3.OpDelete("do/a"))
		t.ok(err)
		t.equal(answer.Del().Deleted, 1)
	}},
	{"a range comes as a stream, too", func(t *T) {
		for i := range 300 {
			t.put(fmt.Sprintf("stream/%03d", i), strings.Repeat("x", 1000))
		}
		stream, err := t.GetStream(t, "stream/", clientv3.WithPrefix())
		t.ok(err)
		answer, err := clientv3.GetStreamToGetResponse(stream)
		t.ok(err)
		t.equal([]any{len(answer.Kvs), answer.Count, answer.More}, []any{300, 300, false})
	}},
	{"requests that are too large are refused", func(t *T) {
		_, err := t.Put(t, "big", strings.Repeat("x", 1500000))
		t.ok(err)
		_, err = t.Put(t, "big", strings.Repeat("x", 1600000))
		t.is(err, rpctypes.ErrRequestTooLarge)
		_, err = t.Delete(t, "big")
		t.ok(err)
	}},
}
