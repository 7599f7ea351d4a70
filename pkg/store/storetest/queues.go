package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loge-idp/loge/pkg/store"
)

func (k *kit) push(id, value string, after time.Duration) {
	k.Helper()
	k.do(&store.Push{Queue: k.tag, ID: id, Value: value, After: after})
}

func (k *kit) pull(max int, lease time.Duration) []store.Entry {
	k.Helper()
	op := store.Pull{Queue: k.tag, Max: max, Lease: lease}
	k.do(&op)
	return op.Entries
}

func (k *kit) list() []store.Entry {
	k.Helper()
	op := store.List{Queue: k.tag}
	k.do(&op)
	return op.Entries
}

func ids(entries []store.Entry) string {
	var out []string
	for _, e := range entries {
		out = append(out, e.ID)
	}
	return strings.Join(out, " ")
}

func queueOrder(k *kit) {
	if got := k.pull(10, long); len(got) != 0 {
		k.Errorf("pulled %v from an empty queue", got)
	}
	k.push("c", "", k.moment)
	k.push("a", "", 0)
	k.push("b", "", k.moment/2)
	var got []string
	k.after(k.moment, "all are due", func() bool {
		for _, e := range k.pull(2, long) {
			got = append(got, e.ID)
		}
		for _, e := range k.pull(2, long) {
			got = append(got, e.ID)
		}
		return len(got) == 3
	})
	if !slices.Equal(got, []string{"a", "b", "c"}) {
		k.Errorf("pulled %v, want the earliest first", got)
	}
	for i := range 5 {
		k.push(fmt.Sprint(i), "", 0)
	}
	if got := k.pull(2, long); len(got) != 2 {
		k.Errorf("pulled %v, want 2", got)
	}
	if got := k.pull(10, long); len(got) != 3 {
		k.Errorf("pulled %v, want the other 3", got)
	}
}

func queueAfter(k *kit) {
	k.push("later", "v", long)
	if got := k.pull(10, long); len(got) != 0 {
		k.Fatalf("pulled %v before its time", got)
	}
	if got := k.list(); len(got) != 1 || got[0].Tries != 0 {
		k.Errorf("a Pull before its time changed the entry: %v", got)
	}
	k.push("soon", "v", k.moment)
	k.after(k.moment, "the entry is due", func() bool { return ids(k.pull(10, long)) == "soon" })
}

func queueLease(k *kit) {
	k.push("a", "v", 0)
	if diff := cmp.Diff([]store.Entry{{ID: "a", Value: "v", Tries: 1}}, k.pull(10, k.moment)); diff != "" {
		k.Fatalf("the first Pull (-want +got):\n%s", diff)
	}
	if k.still(k.moment - 1) {
		if got := k.pull(10, k.moment); len(got) != 0 {
			k.Errorf("pulled %v within the lease of another", got)
		}
	}
	var again []store.Entry
	k.after(k.moment, "the lease ends", func() bool { again = k.pull(10, long); return len(again) > 0 })
	if diff := cmp.Diff([]store.Entry{{ID: "a", Value: "v", Tries: 2}}, again); diff != "" {
		k.Errorf("the second Pull (-want +got):\n%s", diff)
	}
	if got := k.pull(10, long); len(got) != 0 {
		k.Errorf("pulled %v within the second lease", got)
	}
	k.do(&store.Drop{Queue: k.tag, IDs: []string{"a"}})
	if got := k.list(); len(got) != 0 {
		k.Errorf("there is %v after it was dropped", got)
	}
}

func queueReplace(k *kit) {
	k.push("a", "old", 0)
	k.pull(10, long)
	k.push("a", "new", 0)
	if diff := cmp.Diff([]store.Entry{{ID: "a", Value: "new", Tries: 1}}, k.pull(10, long)); diff != "" {
		k.Errorf("after a Push of the same ID (-want +got):\n%s", diff)
	}
	k.push("a", "", 0)
	if diff := cmp.Diff([]store.Entry{{ID: "a", Tries: 1}}, k.pull(10, long)); diff != "" {
		k.Errorf("after a Push without value (-want +got):\n%s", diff)
	}
	k.push("a", "later", long)
	if got := k.pull(10, long); len(got) != 0 {
		k.Errorf("pulled %v, which was put off", got)
	}
}

func queueDrop(k *kit) {
	for _, id := range []string{"a", "b", "c", "d"} {
		k.push(id, "v", 0)
	}
	k.push("later", "", long)
	k.do(&store.Drop{Queue: k.tag, IDs: []string{"a", "none", "c"}})
	if got := ids(k.list()); got != "b d later" {
		k.Errorf("left after Drop: %s", got)
	}
	k.do(&store.Drop{Queue: k.tag})
	if got := ids(k.list()); got != "b d later" {
		k.Errorf("left after a Drop of nothing: %s", got)
	}
	k.push("soon", "", k.moment)
	k.after(k.moment, "Drop of what is due", func() bool {
		k.do(&store.Drop{Queue: k.tag, Due: true})
		return ids(k.list()) == "later"
	})
	k.push("b", "", 0)
	if got := k.pull(1, long); len(got) != 1 || got[0].Value != "" || got[0].Tries != 1 {
		k.Errorf("something of the dropped entry is left: %v", got)
	}
}

func queueList(k *kit) {
	if got := k.list(); len(got) != 0 {
		k.Errorf("listed %v of an empty queue", got)
	}
	k.push("b", "2", 2*long)
	k.push("a", "1", long)
	for range 2 {
		got := k.list()
		if len(got) != 2 {
			k.Fatalf("listed %v", got)
		}
		k.within("Due", got[0].Due, long)
		k.within("Due", got[1].Due, 2*long)
		got[0].Due, got[1].Due = 0, 0
		if diff := cmp.Diff([]store.Entry{{ID: "a", Value: "1"}, {ID: "b", Value: "2"}}, got); diff != "" {
			k.Fatalf("List (-want +got):\n%s", diff)
		}
	}
	k.push("now", "", 0)
	k.after(k.moment, "an entry is overdue", func() bool { return k.list()[0].Due < 0 })
	k.pull(1, 3*long)
	if got := k.list(); ids(got) != "a b now" || got[2].Tries != 1 {
		k.Errorf("listed %v, want the pulled one last", got)
	}
	// Queues of other names are others.
	other := store.List{Queue: k.tag + "-other"}
	k.do(&other)
	if len(other.Entries) != 0 {
		k.Errorf("listed %v of another queue", other.Entries)
	}
}

func queueAnyBytes(k *kit) {
	for _, text := range odd {
		queue := k.tag + text
		pull := store.Pull{Queue: queue, Max: 10, Lease: long}
		k.do(&store.Push{Queue: queue, ID: text, Value: text}, &pull, &store.Drop{Queue: queue, IDs: []string{text}})
		if diff := cmp.Diff([]store.Entry{{ID: text, Value: text, Tries: 1}}, pull.Entries); diff != "" {
			k.Errorf("%.20q (-want +got):\n%.500s", text, diff)
		}
	}
}

func queueParallel(k *kit) {
	const n = 300
	var pushes []store.Op
	for i := range n {
		pushes = append(pushes, &store.Push{Queue: k.tag, ID: fmt.Sprint(i)})
	}
	k.do(pushes...)
	var mu sync.Mutex
	pulled := map[string]int{}
	together(20, func(int) {
		for {
			op := store.Pull{Queue: k.tag, Max: 7, Lease: long}
			if err := k.store.Do(k.Context(), &op); err != nil {
				k.Error(err)
				return
			}
			if len(op.Entries) == 0 {
				return
			}
			mu.Lock()
			for _, e := range op.Entries {
				pulled[e.ID]++
			}
			mu.Unlock()
		}
	})
	for i := range n {
		if pulled[fmt.Sprint(i)] != 1 {
			k.Fatalf("entry %d was pulled %d times, want once", i, pulled[fmt.Sprint(i)])
		}
	}
}
