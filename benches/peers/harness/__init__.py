"""What `benches/peers/run` is made of: `peers` (who answers), `loads` (what is asked), `measure`
(one load on one peer), `probe` (what the system knows of a process), `report` (the table)."""
