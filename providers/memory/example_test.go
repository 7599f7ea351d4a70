package memory_test

import (
	"context"
	"fmt"
	"time"

	"github.com/loge-idp/loge/pkg/store"
	"github.com/loge-idp/loge/providers/memory"
)

// A code is good once, and only for a minute.
func ExampleFakeTimeStore() {
	ctx := context.Background()
	s, err := memory.NewFakeTimeStore(time.Now(), nil)
	if err != nil {
		panic(err)
	}
	defer s.Close()

	first, second := store.Key{Tag: "codes", Name: "1"}, store.Key{Tag: "codes", Name: "2"}
	once := store.Take{Key: first, By: "one caller"}
	again := store.Take{Key: first, By: "another caller"}
	err = s.Do(ctx,
		&store.Create{Key: first, Fields: store.Fields{"account": "elefevre"}, TTL: time.Minute},
		&store.Create{Key: second, Fields: store.Fields{"account": "elefevre"}, TTL: time.Minute},
		&once, &again)
	if err != nil {
		panic(err)
	}
	fmt.Println(once.Outcome == store.Taken, once.Fields["account"])
	fmt.Println(again.Outcome == store.Spent)

	s.Advance(time.Minute)
	late := store.Take{Key: second, By: "one caller"}
	if err := s.Do(ctx, &late); err != nil {
		panic(err)
	}
	fmt.Println(late.Outcome == store.Missing)
	// Output:
	// true elefevre
	// true
	// true
}
