package storetest

import (
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"sync/atomic"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/store"
)

func (k *kit) take(name, by string) store.Take {
	k.Helper()
	op := store.Take{Key: k.key(name), By: by}
	k.do(&op)
	return op
}

func takeOnce(k *kit) {
	fields := store.Fields{"f": "1", "g": "2"}
	k.create(store.Create{Key: k.key("a"), Fields: fields})
	first := k.take("a", rand.Text())
	if first.Outcome != store.Taken || !first.At.IsZero() {
		k.Errorf("the first Take: %+v", first)
	}
	k.within("TTL of what was taken", first.TTL, long)
	second := k.take("a", rand.Text())
	if second.Outcome != store.Spent || second.At.IsZero() || second.TTL != 0 {
		k.Errorf("the second Take: %+v", second)
	}
	if diff := cmp.Diff([]store.Fields{fields, fields}, []store.Fields{first.Fields, second.Fields}); diff != "" {
		k.Errorf("fields (-want +got):\n%s", diff)
	}
	if missing := k.take("none", rand.Text()); missing.Outcome != store.Missing || missing.Fields != nil {
		k.Errorf("Take of nothing: %+v", missing)
	}
}

func takeRepeated(k *kit) {
	k.create(store.Create{Key: k.key("a"), Fields: store.Fields{"f": "1"}})
	by := rand.Text()
	first := k.take("a", by)
	if k.take("a", rand.Text()).Outcome != store.Spent {
		k.Error("somebody else can take it")
	}
	k.still(k.moment / 2)
	if diff := cmp.Diff(first, k.take("a", by)); diff != "" {
		k.Errorf("the same attempt got another result (-first +second):\n%s", diff)
	}
}

func takeRemembered(k *kit) {
	for _, name := range []string{"default", "short", "long"} {
		k.create(store.Create{Key: k.key(name), TTL: long})
	}
	k.take("default", "somebody")
	k.do(&store.Take{Key: k.key("short"), By: "somebody", Keep: k.moment}, &store.Take{Key: k.key("long"), By: "somebody", Keep: 2 * long})
	before := k.take("long", "other")
	k.after(k.moment, "the spent record is forgotten", func() bool { return k.take("short", "other").Outcome == store.Missing })
	if k.take("short", "somebody").Outcome != store.Missing {
		k.Error("what was forgotten can be taken again")
	}
	after := k.take("long", "other")
	if after.Outcome != store.Spent || !after.At.Equal(before.At) {
		k.Errorf("told %v, then %v when it was taken", before.At, after.At)
	}
	if k.advance == nil {
		return
	}
	if k.take("default", "other").Outcome != store.Missing { // a minute has passed
		k.Error("remembered longer than the default of a minute")
	}
	k.advance(2*long - k.moment - 1e9)
	if k.take("long", "other").Outcome != store.Spent {
		k.Error("forgotten before Keep was over")
	}
	k.create(store.Create{Key: k.key("a")})
	k.take("a", "somebody")
	k.advance(1e9)
	k.create(store.Create{Key: k.key("b")})
	k.take("b", "somebody")
	if a, b := k.take("a", "other").At, k.take("b", "other").At; b.Sub(a) != 1e9 {
		k.Errorf("taken at %v and %v, want a second between", a, b)
	}
}

func takeGone(k *kit) {
	k.create(store.Create{Key: k.key("a"), Fields: store.Fields{"f": "1"}})
	k.take("a", "somebody")
	if k.alive("a") {
		k.Error("a taken record can be used")
	}
	if got := k.take("a", "other"); got.Outcome != store.Spent || got.Fields["f"] != "1" {
		k.Errorf("using a taken record changed it: %+v", got)
	}
	k.do(&store.Create{Key: k.key("under"), Under: "a", TTL: long})
	if k.alive("under") {
		k.Error("a record lives under one that was taken")
	}
	// The name is free again, and the new record nobody's.
	k.create(store.Create{Key: k.key("a"), Fields: store.Fields{"f": "2"}})
	if got := k.take("a", "other"); got.Outcome != store.Taken || got.Fields["f"] != "2" {
		k.Errorf("Take of a new record of the same name: %+v", got)
	}
}

// takeParallel has 50 callers go for 200 records, ten at a time and each in
// an order of its own.
func takeParallel(k *kit) {
	const records, callers, batch = 200, 50, 10
	var creates []store.Op
	for i := range records {
		creates = append(creates, &store.Create{Key: k.key(fmt.Sprint(i)), Fields: store.Fields{"f": fmt.Sprint(i)}, TTL: long})
	}
	k.do(creates...)
	var taken, spent [records]atomic.Int32
	together(callers, func(int) {
		by, order := rand.Text(), mathrand.Perm(records)
		for len(order) > 0 {
			ops := make([]store.Op, batch)
			for i := range ops {
				ops[i] = &store.Take{Key: k.key(fmt.Sprint(order[i])), By: by, Keep: long}
			}
			if err := k.store.Do(k.Context(), ops...); err != nil {
				k.Error(err)
				return
			}
			for i := range ops {
				switch op := ops[i].(*store.Take); op.Outcome {
				case store.Taken:
					taken[order[i]].Add(1)
				case store.Spent:
					spent[order[i]].Add(1)
				}
			}
			order = order[batch:]
		}
	})
	for i := range records {
		if taken[i].Load() != 1 || spent[i].Load() != callers-1 {
			k.Fatalf("record %d: %d callers learnt Taken and %d Spent, want 1 and %d", i, taken[i].Load(), spent[i].Load(), callers-1)
		}
	}
}

func (k *kit) rotate(op store.Rotate) store.Rotate {
	k.Helper()
	op.Key, op.Field = k.key("a"), "f"
	k.do(&op)
	return op
}

func rotateForward(k *kit) {
	k.create(store.Create{Key: k.key("a"), Fields: store.Fields{"f": "1", "g": "x"}})
	for i := 1; i < 5; i++ {
		from, to := fmt.Sprint(i), fmt.Sprint(i+1)
		got := k.rotate(store.Rotate{From: from, To: to, Grace: long})
		if got.Outcome != store.Taken {
			k.Fatalf("rotation %s to %s: %v", from, to, got.Outcome)
		}
		if diff := cmp.Diff(store.Fields{"f": from, "g": "x"}, got.Fields); diff != "" {
			k.Errorf("fields before the rotation (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(store.Fields{"f": to, "g": "x"}, k.read("a")); diff != "" {
			k.Errorf("fields after the rotation (-want +got):\n%s", diff)
		}
	}
}

func rotateGrace(k *kit) {
	k.create(store.Create{Key: k.key("a"), Fields: store.Fields{"f": "1", "g": "x"}})
	step := store.Rotate{From: "1", To: "2", Grace: long}
	first := k.rotate(step)
	k.still(long / 2)
	for range 3 {
		if diff := cmp.Diff(first, k.rotate(step)); diff != "" {
			k.Errorf("the repetition got another result (-first +second):\n%s", diff)
		}
	}
	if got := k.read("a"); got["f"] != "2" {
		k.Errorf("after repetitions the field is %q", got["f"])
	}
	if got := k.rotate(store.Rotate{From: "2", To: "3", Grace: long}); got.Outcome != store.Taken {
		k.Errorf("the next rotation after repetitions: %v", got.Outcome)
	}
}

func rotateLate(k *kit) {
	create := store.Create{Key: k.key("a"), Fields: store.Fields{"f": "1"}}
	if k.advance != nil {
		k.create(create)
		k.rotate(store.Rotate{From: "1", To: "2", Grace: k.moment})
		k.advance(k.moment + 1e9)
		if got := k.rotate(store.Rotate{From: "1", To: "2", Grace: k.moment}); got.Outcome != store.Spent {
			k.Errorf("after Grace: %v, want Spent", got.Outcome)
		}
		if k.read("a") != nil {
			k.Error("a rotation repeated after Grace did not end the record")
		}
	}
	k.create(create)
	k.rotate(store.Rotate{From: "1", To: "2"})
	if got := k.rotate(store.Rotate{From: "1", To: "2"}); got.Outcome != store.Spent {
		k.Errorf("repeated without Grace: %v, want Spent", got.Outcome)
	}
}

func rotateReuse(k *kit) {
	fields := store.Fields{"f": "3", "g": "x"}
	for name, step := range map[string]store.Rotate{
		"never there":             {From: "0", To: "4", Grace: long},
		"before the last":         {From: "1", To: "2", Grace: long},
		"the last, but elsewhere": {From: "2", To: "4", Grace: long},
		"never to this":           {From: "1", To: "3", Grace: long},
		"empty":                   {From: "", To: "4", Grace: long},
	} {
		k.create(store.Create{Key: k.key("a"), Fields: store.Fields{"f": "1", "g": "x"}})
		k.rotate(store.Rotate{From: "1", To: "2", Grace: long})
		k.rotate(store.Rotate{From: "2", To: "3", Grace: long})
		got := k.rotate(step)
		if got.Outcome != store.Spent {
			k.Errorf("%s: %v, want Spent", name, got.Outcome)
		}
		if diff := cmp.Diff(fields, got.Fields); diff != "" {
			k.Errorf("%s: fields (-want +got):\n%s", name, diff)
		}
		if k.read("a") != nil {
			k.Errorf("%s: the record is still there", name)
		}
		if got := k.rotate(store.Rotate{From: "3", To: "4", Grace: long}); got.Outcome != store.Missing {
			k.Errorf("%s: the right value then: %v, want Missing", name, got.Outcome)
		}
	}
}

func rotateMissing(k *kit) {
	if got := k.rotate(store.Rotate{From: "1", To: "2"}); got.Outcome != store.Missing || got.Fields != nil {
		k.Errorf("Rotate of nothing: %+v", got)
	}
	if k.read("a") != nil {
		k.Error("Rotate made a record")
	}
}

func rotateExtend(k *kit) {
	k.create(store.Create{Key: k.key("a"), Fields: store.Fields{"f": "1"}, TTL: long, Life: 3 * long})
	k.rotate(store.Rotate{From: "1", To: "2"})
	k.within("TTL without Extend", k.ttl("a"), long)
	k.rotate(store.Rotate{From: "2", To: "3", Extend: 2 * long})
	k.within("TTL", k.ttl("a"), 2*long)
	k.rotate(store.Rotate{From: "3", To: "4", Extend: long})
	k.within("TTL after a shorter Extend", k.ttl("a"), 2*long)
	k.rotate(store.Rotate{From: "4", To: "5", Extend: 9 * long})
	k.within("TTL bounded by Life", k.ttl("a"), 3*long)
}

func rotateParallel(k *kit) {
	for round := range 10 {
		k.do(&store.Create{Key: k.key("a"), Fields: store.Fields{"f": "1"}, TTL: long, Replace: true})
		var outcomes [3]atomic.Int32
		together(20, func(i int) {
			op := store.Rotate{Key: k.key("a"), Field: "f", From: "1", To: fmt.Sprint("to", i), Grace: long}
			if err := k.store.Do(k.Context(), &op); err != nil {
				k.Error(err)
			}
			outcomes[op.Outcome].Add(1)
		})
		if outcomes[store.Taken].Load() != 1 || outcomes[store.Spent].Load() != 1 || k.read("a") != nil {
			k.Fatalf("round %d: %d of 20 rotated and %d were refused as reuse, want one each and no record left",
				round, outcomes[store.Taken].Load(), outcomes[store.Spent].Load())
		}
	}
}
