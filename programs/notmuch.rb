# A notmuch database through Ruby's bindings: what is held on to, let go and collected
# are objects of talloc's. notmuch.rb FOLDER
require "notmuch"

def walk(db, words, sort = Notmuch::SORT_OLDEST_FIRST)
  query = db.query(words)
  query.sort = sort
  query.search_messages.each do |message|
    yield message
  end
  query.destroy!
end

path = ARGV.fetch(0)
db = Notmuch::Database.new(path, mode: Notmuch::MODE_READ_WRITE)
puts "version #{db.version}, upgrade #{db.needs_upgrade?}"
["*", "tag:unread", "subject:milk", "pot12 or pot13", "from:writer3"].each do |words|
  query = db.query(words)
  puts "#{words}: #{query.count_messages} #{query.count_threads}"
end

held = []
walk(db, "subject:milk") do |message|
  puts [message.message_id, message.header("subject"), message.tags.to_a.sort.join("+")].join(" ")
  held << message if (held.size % 7).zero?
end
held = nil
GC.start

walk(db, "from:writer5") do |message|
  message.freeze
  message.add_tag("five")
  message.remove_tag("unread")
  message.thaw
end
walk(db, "tag:five") { |message| puts "#{message.message_id} #{message.tags.to_a.sort.join('+')}" }

threads = 0
replies = 0
query = db.query("pot3")
query.search_threads.each do |thread|
  threads += 1
  thread.toplevel_messages.each { |message| replies += message.replies.count }
  thread.destroy! if threads.odd?
end
puts "#{threads} threads, #{replies} replies"

found = db.find_message("m7@example.org")
puts found.header("from"), found.filenames.to_a.map { |name| File.basename(name) }
puts db.find_message("nobody@example.org").inspect
puts db.all_tags.to_a.sort.join(" ")
db.close
