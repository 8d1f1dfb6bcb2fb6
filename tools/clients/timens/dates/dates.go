// SPDX-License-Identifier: GPL-2.0-only

// dates SECONDS: as dates.cpp, by Go's own runtime, which makes its system calls itself.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func printDate() {
	now := time.Now()
	fmt.Printf("%d.%09d\n", now.Unix(), now.Nanosecond())
}

func main() {
	seconds, err := strconv.ParseInt(os.Args[1], 10, 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, "usage: dates SECONDS")
		os.Exit(2)
	}
	printDate()
	// Go has no timer on the wall clock.
	ticker := time.NewTicker(500 * time.Millisecond)
	for time.Now().Unix() < seconds {
		<-ticker.C
	}
	done := make(chan bool)
	time.AfterFunc(10*time.Millisecond, func() { done <- true })
	<-done
	printDate()
}
