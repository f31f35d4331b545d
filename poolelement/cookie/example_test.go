package cookie_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/rserpool/rserpool/poolelement/cookie"
)

// What one element seals another one opens; users cannot change it.
func Example() {
	key, err := cookie.NewKey([]byte("32 random bytes of a secret file"))
	if err != nil {
		log.Fatal(err)
	}
	sealer, err := cookie.NewSealer(&cookie.Config{Pool: "CounterPool", Keys: []cookie.Key{key}})
	if err != nil {
		log.Fatal(err)
	}
	c, err := sealer.Seal([]byte("counted to 41"))
	if err != nil {
		log.Fatal(err)
	}
	state, err := sealer.Open(c)
	fmt.Printf("%s, %v\n", state, err)

	c[len(c)-1] ^= 1
	_, err = sealer.Open(c)
	fmt.Println(errors.Is(err, cookie.ErrInvalid), err)
	// Output:
	// counted to 41, <nil>
	// true cookie: not accepted: not authentic
}
