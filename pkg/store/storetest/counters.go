package storetest

import (
	"sync/atomic"
	"time"

	"github.com/loge-idp/loge/pkg/store"
)

func (k *kit) hit(op store.Hit) store.Hit {
	k.Helper()
	if op.Key == (store.Key{}) {
		op.Key = k.key("a")
	}
	k.do(&op)
	return op
}

// allowed checks a Hit that passes, as event number count.
func (k *kit) allowed(op store.Hit, count int) {
	k.Helper()
	if got := k.hit(op); !got.Allowed || got.Count != count || got.Retry != 0 {
		k.Fatalf("event %d: %+v, want it to pass", count, got)
	}
}

// refused checks a Hit that does not pass, so is not counted.
func (k *kit) refused(op store.Hit, count int, retry time.Duration) {
	k.Helper()
	got := k.hit(op)
	if got.Allowed || got.Count != count {
		k.Fatalf("after %d events: %+v, want it refused and not counted", count, got)
	}
	k.within("Retry", got.Retry, retry)
}

func hitWindow(k *kit) {
	op := store.Hit{Limit: 3, Window: long}
	for i := range 3 {
		k.allowed(op, i+1)
	}
	for range 5 {
		k.refused(op, 3, long)
	}
	other := op
	other.Key = k.key("b")
	k.allowed(other, 1)

	op = store.Hit{Key: k.key("c"), Limit: 1, Window: k.moment}
	k.allowed(op, 1)
	k.after(k.moment, "the window ends", func() bool { return k.hit(op).Allowed })

	none := k.hit(store.Hit{Key: k.key("d"), Window: long})
	if none.Allowed || none.Count != 0 || none.Retry <= 0 {
		k.Errorf("with a Limit of 0: %+v", none)
	}
}

func hitWindowFirst(k *kit) {
	op := store.Hit{Limit: 2, Window: 2 * k.moment}
	k.allowed(op, 1)
	if !k.still(k.moment) {
		k.Skip("needs a time that stands still")
	}
	k.allowed(op, 2)
	k.refused(op, 2, k.moment)
	k.advance(k.moment)
	k.allowed(op, 1)
}

func hitPause(k *kit) {
	if k.advance == nil {
		op := store.Hit{Limit: 1, Window: long, Pause: k.moment, MaxPause: long}
		k.allowed(op, 1)
		k.after(k.moment, "the pause ends", func() bool { return k.hit(op).Allowed })
		k.refused(op, 2, 2*k.moment)
		return
	}
	op := store.Hit{Limit: 2, Window: long, Pause: time.Second, MaxPause: 5 * time.Second}
	k.allowed(op, 1)
	k.allowed(op, 2)
	for i, pause := range []time.Duration{1e9, 2e9, 4e9, 5e9, 5e9} {
		k.refused(op, 2+i, pause)
		k.advance(pause / 2)
		k.refused(op, 2+i, pause-pause/2) // refused events do not begin the pause anew
		k.advance(pause - pause/2)
		k.allowed(op, 3+i)
	}
}

func hitPauseWindow(k *kit) {
	op := store.Hit{Limit: 1, Window: 10 * k.moment, Pause: k.moment, MaxPause: 4 * k.moment}
	k.allowed(op, 1)
	if !k.still(9 * k.moment) {
		k.Skip("needs a time that stands still")
	}
	k.allowed(op, 2) // the window now begins anew
	k.advance(9 * k.moment)
	k.allowed(op, 3)
	k.advance(10 * k.moment)
	k.allowed(op, 1)

	// A pause never lasts longer than the window.
	op = store.Hit{Key: k.key("b"), Limit: 1, Window: k.moment, Pause: 3 * k.moment, MaxPause: 9 * k.moment}
	k.allowed(op, 1)
	k.refused(op, 1, k.moment)
	k.advance(k.moment)
	k.allowed(op, 1)

	// However often, the pause does not overflow.
	op = store.Hit{Key: k.key("c"), Limit: 1, Window: 100 * long, Pause: k.moment, MaxPause: long}
	for i := range 80 {
		k.allowed(op, i+1)
		k.advance(long)
	}
}

func hitDelete(k *kit) {
	op := store.Hit{Limit: 1, Window: long}
	k.allowed(op, 1)
	gone := store.Delete{Tag: k.tag, Names: []string{"a"}}
	k.do(&gone)
	if gone.Deleted != 1 {
		k.Errorf("deleted %d, want 1", gone.Deleted)
	}
	k.allowed(op, 1)
}

func hitBack(k *kit) {
	op := store.Hit{Limit: 2, Window: long}
	back := op
	back.Back = true
	k.hit(back) // of nothing, nothing
	k.allowed(op, 1)
	k.hit(back)
	k.allowed(op, 1)
	k.allowed(op, 2)
	k.refused(op, 2, long)
	k.hit(back)
	k.allowed(op, 2)
	k.refused(op, 2, long)

	// The pause is that of the event before.
	if k.advance == nil {
		return
	}
	op = store.Hit{Key: k.key("b"), Limit: 1, Window: long, Pause: time.Minute, MaxPause: 10 * time.Minute}
	back = op
	back.Back = true
	k.allowed(op, 1)
	k.advance(time.Minute)
	k.allowed(op, 2)
	k.hit(back)
	k.allowed(op, 2)
	k.refused(op, 2, 2*time.Minute)
}

func hitParallel(k *kit) {
	for _, pause := range []time.Duration{0, long} {
		var allowed atomic.Int32
		op := store.Hit{Key: k.key(pause.String()), Limit: 5, Window: 2 * long, Pause: pause, MaxPause: 2 * long}
		together(200, func(int) {
			op := op
			if err := k.store.Do(k.Context(), &op); err != nil {
				k.Error(err)
			}
			if op.Allowed {
				allowed.Add(1)
			}
		})
		if allowed.Load() != 5 {
			k.Errorf("%d of 200 passed with a limit of 5 and a pause of %v", allowed.Load(), pause)
		}
		if got := k.hit(op); got.Count != 5 {
			k.Errorf("counted %d, want 5", got.Count)
		}
	}
}
